// An identity provider of other make, over HTTPS. Standard input has one line of JSON: certificate and key of the server (PEM),
// and the private keys that it signs with (JWK Set). Standard output gets one line once it listens: its issuer identifier.
// It ends when standard input does.
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const lines = createInterface({ input: process.stdin });
lines.once('line', (line) => {
  const { certificate, key, jwks } = JSON.parse(line);
  const server = createServer({ cert: certificate, key });
  server.listen(0, '127.0.0.1', () => {
    const issuer = `https://127.0.0.1:${server.address().port}`;
    const provider = new Provider(issuer, { jwks, clients: [] });
    server.on('request', provider.callback());
    console.log(issuer);
  });
});
lines.once('close', () => process.exit(0));
