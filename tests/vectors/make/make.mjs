// Signs with Node's jose: one JSON object a line on standard input, one JSON string a line on standard output.
// In: {"header": {...}, "payload": "text", "key": {private JWK}}. Out: the compact JWS, or {"error": "..."}.
import { CompactSign, importJWK } from "jose";
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { header, payload, key } = JSON.parse(line);
    const signer = new CompactSign(new TextEncoder().encode(payload)).setProtectedHeader(header);
    const { use, key_ops, ...plain } = key;
    process.stdout.write(JSON.stringify(await signer.sign(await importJWK(plain, header.alg))) + "\n");
  } catch (error) {
    process.stdout.write(JSON.stringify({ error: String(error) }) + "\n");
  }
}
