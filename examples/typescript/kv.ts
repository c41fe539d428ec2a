import { Code, ConnectError, createClient, type Client, type Transport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "micro-platform/google/rpc/error_details_pb.js";
import { KV, WatchResponse_Type } from "micro-platform/micro/kv/v1/kv_pb.js";

const key = "example/typescript";
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes?: Uint8Array) => new TextDecoder().decode(bytes);

/** Calls kv-srv, and says what comes back: a value, two errors, a change. */
export async function call(transport: Transport, say: (line: string) => void) {
  const kv = createClient(KV, transport);
  const version = await unary(kv, say);
  await errors(kv, version, say);
  await stream(kv, say);
}

async function unary(kv: Client<typeof KV>, say: (line: string) => void): Promise<bigint> {
  const put = await kv.put({ key, value: bytes("hello") });
  await kv.put({ key, value: bytes("hello, world"), ifVersion: put.version });
  const got = await kv.get({ key });
  say("get: " + text(got.item?.value));
  return put.version;
}

async function errors(kv: Client<typeof KV>, stale: bigint, say: (line: string) => void) {
  try {
    await kv.put({ key, value: bytes("lost"), ifVersion: stale });
  } catch (error) {
    say("conflict: " + describe(error));
  }
  try {
    await kv.get({ key: "" });
  } catch (error) {
    say("invalid: " + describe(error));
  }
}

/** Returns the code, the reason, the field to blame, if any, and the message. */
export function describe(thrown: unknown): string {
  const error = ConnectError.from(thrown);
  const cause = error.findDetails(ErrorInfoSchema)[0];
  const field = cause?.metadata["field"] ? `, field ${cause.metadata["field"]}` : "";
  const code = Code[error.code]!.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
  return `${code} (${cause?.reason ?? ""}${field}): ${error.rawMessage}`;
}

async function stream(kv: Client<typeof KV>, say: (line: string) => void) {
  const end = new AbortController(); // to leave the loop does not end the call
  for await (const change of kv.watch({ prefix: key }, { signal: end.signal, timeoutMs: 0 })) {
    if (change.type === WatchResponse_Type.PROGRESS) {
      await kv.put({ key, value: bytes("hello, watcher") }); // from PROGRESS on it misses nothing
    } else if (change.type === WatchResponse_Type.PUT) {
      say(`watch: ${change.item?.key} is ${text(change.item?.value)}`);
      break;
    }
  }
  end.abort();
}
