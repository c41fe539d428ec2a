// Calls kv-srv over Connect and over gRPC: two values, two errors, and a stream of changes.
import { Code, ConnectError, createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "micro-platform/google/rpc/error_details_pb.js";
import { KV, WatchResponse_Type } from "micro-platform/micro/kv/v1/kv_pb.js";

const key = "example/typescript";
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes?: Uint8Array) => new TextDecoder().decode(bytes);

async function unary(kv: Client<typeof KV>): Promise<bigint> {
  const put = await kv.put({ key, value: bytes("hello") });
  await kv.put({ key, value: bytes("hello, world"), ifVersion: put.version });
  const got = await kv.get({ key });
  console.log("get:", text(got.item?.value));
  return put.version;
}

async function errors(kv: Client<typeof KV>, stale: bigint) {
  try {
    await kv.put({ key, value: bytes("lost"), ifVersion: stale });
  } catch (error) {
    console.log("conflict:", describe(error));
  }
  try {
    await kv.get({ key: "" });
  } catch (error) {
    console.log("invalid:", describe(error));
  }
}

/** Returns the code, the reason, the field to blame, if any, and the message. */
function describe(thrown: unknown): string {
  const error = ConnectError.from(thrown);
  const cause = error.findDetails(ErrorInfoSchema)[0];
  const field = cause?.metadata["field"] ? `, field ${cause.metadata["field"]}` : "";
  const code = Code[error.code]!.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
  return `${code} (${cause?.reason}${field}): ${error.rawMessage}`;
}

async function stream(kv: Client<typeof KV>) {
  const end = new AbortController(); // to leave the loop does not end the call
  for await (const change of kv.watch({ prefix: key }, { signal: end.signal, timeoutMs: 0 })) {
    if (change.type === WatchResponse_Type.PROGRESS) {
      await kv.put({ key, value: bytes("hello, watcher") }); // from PROGRESS on it misses nothing
    } else if (change.type === WatchResponse_Type.PUT) {
      console.log("watch:", change.item?.key, "is", text(change.item?.value));
      break;
    }
  }
  end.abort();
}

const baseUrl = `http://${process.argv[2] ?? process.env["KV_ADDRESS"] ?? "127.0.0.1:8106"}`;
const transports = {
  "Connect over HTTP/1.1": createConnectTransport({ baseUrl, httpVersion: "1.1", defaultTimeoutMs: 5_000 }),
  "gRPC over HTTP/2": createGrpcTransport({ baseUrl, defaultTimeoutMs: 5_000 }),
};
for (const [name, transport] of Object.entries(transports)) {
  console.log(name);
  const kv = createClient(KV, transport);
  await errors(kv, await unary(kv));
  await stream(kv);
}
