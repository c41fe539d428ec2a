// Calls kv-srv from a web page. ?kv=host:port names another address.
import { createConnectTransport } from "@connectrpc/connect-web";
import { call, describe } from "./kv.js";

const address = new URLSearchParams(location.search).get("kv") ?? "127.0.0.1:8106";
const output = document.querySelector("output")!;
const say = (line: string) => output.append(line + "\n");
try {
  await call(createConnectTransport({ baseUrl: `http://${address}`, defaultTimeoutMs: 5_000 }), say);
} catch (error) {
  say(describe(error));
} finally {
  output.ariaBusy = "false";
}
