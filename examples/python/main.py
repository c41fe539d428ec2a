"""Calls kv-srv over gRPC: two values, two errors, and a stream of changes."""

import os
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from micro.kv.v1 import kv_pb2, kv_pb2_grpc

KEY = "example/python"


def unary(kv):
    put = kv.Put(kv_pb2.PutRequest(key=KEY, value=b"hello"), timeout=5)
    kv.Put(kv_pb2.PutRequest(key=KEY, value=b"hello, world", if_version=put.version), timeout=5)
    got = kv.Get(kv_pb2.GetRequest(key=KEY), timeout=5)
    print("get:", got.item.value.decode())
    return put.version


def errors(kv, stale):
    try:
        kv.Put(kv_pb2.PutRequest(key=KEY, value=b"lost", if_version=stale), timeout=5)
    except grpc.RpcError as error:
        print("conflict:", describe(error))
    try:
        kv.Get(kv_pb2.GetRequest(key=""), timeout=5)
    except grpc.RpcError as error:
        print("invalid:", describe(error))


def describe(error):
    """Returns the code, the reason, the field to blame, if any, and the message."""
    cause = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)  # None if the error is not the server's
    for detail in status.details if status else []:
        detail.Unpack(cause)  # leaves it alone if it is something else
    field = f", field {cause.metadata['field']}" if "field" in cause.metadata else ""
    return f"{error.code().name.lower()} ({cause.reason}{field}): {error.details()}"


def stream(kv):
    changes = kv.Watch(kv_pb2.WatchRequest(prefix=KEY), timeout=30)
    next(changes)  # PROGRESS: from here on it misses nothing
    kv.Put(kv_pb2.PutRequest(key=KEY, value=b"hello, watcher"), timeout=5)
    for change in changes:
        if change.type == kv_pb2.WatchResponse.TYPE_PUT:
            print("watch:", change.item.key, "is", change.item.value.decode())
            break
    changes.cancel()


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("KV_ADDRESS", "127.0.0.1:8106")
    with grpc.insecure_channel(address) as channel:
        kv = kv_pb2_grpc.KVStub(channel)
        errors(kv, stale=unary(kv))
        stream(kv)


if __name__ == "__main__":
    main()
