"""Calls kv-srv as a program that was written for Redis: client.py HOST PORT PASSWORD."""

import asyncio
import sys

import redis
import redis.asyncio

host, port, password = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def check(got, want):
    if got != want:
        sys.exit(f"got {got!r}, want {want!r}")


def refused(call, error, part):
    try:
        call()
    except error as e:
        if part not in str(e):
            sys.exit(f"got {e}, want {part}")
        return
    sys.exit(f"nothing is wrong, want {part}")


def use(protocol):
    r = redis.Redis(host, port, db=protocol, password=password, protocol=protocol, client_name="python")
    binary = bytes(range(256))
    check(r.ping(), True)
    check(r.set("a", binary, ex=60), True)
    check(r.get("a"), binary)
    check(r.get("none"), None)
    check(r.ttl("a"), 60)
    check(r.set("a", "x", nx=True), None)
    check(r.set("a", "x", xx=True, keepttl=True), True)
    check(r.set("a", "y", get=True), b"x")
    check(r.ttl("a"), -1)
    check(r.expire("a", 100), True)
    check(r.persist("a"), True)
    check(r.mset({"b": "1", "c": "2"}), True)
    check(r.mget("b", "none", "c"), [b"1", None, b"2"])
    check(r.exists("a", "b", "none"), 2)
    check(r.incr("b"), 2)
    check(r.incr("b", 40), 42)
    check(r.decr("b", 2), 40)
    check(r.client_getname(), "python" if protocol == 2 else b"python")  # so it is with Redis
    check(r.type("a"), b"string")
    check(r.delete("a", "c", "none"), 2)
    with r.pipeline(transaction=False) as p:
        for i in range(1000):
            p.set(f"k{i}", i)
        p.get("k999")
        check(p.execute(), [True] * 1000 + [b"999"])
    check(sorted(r.scan_iter("k*", count=100)), sorted(f"k{i}".encode() for i in range(1000)))
    refused(lambda: r.incr("k1x", "x"), redis.ResponseError, "not an integer")
    refused(lambda: r.lpush("l", "x"), redis.ResponseError, "unknown command")
    refused(lambda: r.set("x" * 1025, ""), redis.ResponseError, "1025 bytes long")
    wrong = redis.Redis(host, port, password="wrong", protocol=protocol)
    refused(wrong.ping, redis.AuthenticationError, "invalid username-password pair")
    none = redis.Redis(host, port, protocol=protocol)
    refused(none.ping, redis.AuthenticationError, "")
    check(asyncio.run(at_once(protocol)), 100)
    print(f"all is well over RESP{protocol}")


async def at_once(protocol):
    async with redis.asyncio.Redis(host=host, port=port, password=password, protocol=protocol, db=protocol) as r:
        await asyncio.gather(*(r.incr("n") for _ in range(100)))
        return int(await r.get("n"))


use(2)
use(3)
