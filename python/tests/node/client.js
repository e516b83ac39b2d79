// The TypeScript SDK's client, with an ID-JAG in place of a consent screen: node client.js RESOURCE CLIENT_ID SECRET ID_JAG
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [resource, clientId, secret, idJag] = process.argv.slice(2);
let tokens;
const authProvider = {
  redirectUrl: undefined,
  clientMetadata: {
    redirect_uris: [],
    client_name: "test",
    grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
    token_endpoint_auth_method: "client_secret_basic",
  },
  clientInformation: () => ({ client_id: clientId, client_secret: secret }),
  tokens: () => tokens,
  saveTokens: (saved) => {
    tokens = saved;
  },
  redirectToAuthorization: () => {
    throw new Error("nobody is asked for consent");
  },
  saveCodeVerifier: () => {},
  codeVerifier: () => "none",
  prepareTokenRequest: () =>
    new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: idJag }),
};
const client = new Client({ name: "test", version: "1" });
await client.connect(new StreamableHTTPClientTransport(new URL(resource), { authProvider }));
const result = await client.callTool({ name: "whoami", arguments: {} });
console.log(result.content[0].text);
await client.close();
