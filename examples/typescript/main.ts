// Calls kv-srv from Node, over Connect and over gRPC.
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { call } from "./kv.js";

const baseUrl = `http://${process.argv[2] ?? process.env["KV_ADDRESS"] ?? "127.0.0.1:8106"}`;
const transports = {
  "Connect over HTTP/1.1": createConnectTransport({ baseUrl, httpVersion: "1.1", defaultTimeoutMs: 5_000 }),
  "gRPC over HTTP/2": createGrpcTransport({ baseUrl, defaultTimeoutMs: 5_000 }),
};
for (const [name, transport] of Object.entries(transports)) {
  console.log(name);
  await call(transport, console.log);
}
