/* Both parties in one program: an identity provider made here issues an ID-JAG, and a server made here takes it.
 *
 *     idp */
#include "check.h"

#define ISSUER "https://acme.idp.example"

static const char idp_config[] =
    "issuer = '" ISSUER "'\n"
    "tokens.keys = 'ephemeral'\n"
    "[[clients]]\n"
    "id = 'agent'\n"
    "auth = 'client_secret_post'\n"
    "secret_sha256 = 'e23b3c98a81b19fe75c47a934d7a8b463d209a0bbd191f18fc610908873473e0'\n"
    "[[subject_tokens]]\n"
    "issuer = '" ISSUER "'\n"
    "own_keys = true\n"
    "[[targets]]\n"
    "audience = 'https://auth.chat.example/'\n"
    "resource = 'https://mcp.chat.example/'\n"
    "scopes = ['chat.read', 'chat.write']\n"
    "groups = ['eng']\n"
    "clients = [{ id = 'agent', client_id = 'f53f191f9311af35' }]\n"
    "claims = ['groups']\n";

static const char server_config[] =
    "issuer = 'https://auth.chat.example/'\n"
    "audit = 'off'\n"
    "tokens.keys = 'ephemeral'\n"
    "[[idps]]\n"
    "issuer = '" ISSUER "'\n"
    "jwks_uri = '" ISSUER "/jwks'\n"
    "[fetch]\n"
    "enabled = false\n"
    "[[clients]]\n"
    "id = 'f53f191f9311af35'\n"
    "auth = 'none'\n"
    "connectors = ['chat']\n"
    "[[connectors]]\n"
    "id = 'chat'\n"
    "resource = 'https://mcp.chat.example/'\n"
    "scopes = ['chat.read', 'chat.write']\n"
    "state = 'enabled'\n"
    "owner = 'chat-platform@acme.example'\n"
    "review_by = 2999-01-01\n"
    "grants = [{ groups = ['eng'], scopes = ['chat.read'] }]\n";

static idjag_config_t config_of(const char *text) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    config.text = text;
    config.text_length = strlen(text);
    return config;
}

int main(void) {
    static const char *const groups[] = {"eng", "guests"};
    static const size_t lengths[] = {3, 6};
    const int64_t now = 1784527300;
    idjag_callbacks_t callbacks = IDJAG_CALLBACKS_INIT;
    idjag_config_t config = config_of(server_config);
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_idp_t *idp = NULL;
    idjag_exchange_t *server = NULL;
    idjag_id_token_t ada = IDJAG_ID_TOKEN_INIT;
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_text_t *text = NULL, *token = NULL;
    idjag_token_t *issued = NULL;
    idjag_verified_t *who = NULL;
    char *id_jag;
    size_t length;

    /* A configuration of the other kind is none of this one. */
    callbacks = check_callbacks(now);
    CHECK(idjag_idp_new(&config, &callbacks, &idp, &error) == IDJAG_LOAD_FAILED && idp == NULL, "%s", error.message);
    CHECK(strncmp(error.message, "configuration:", 14) == 0, "%s", error.message);
    config = config_of(idp_config);
    CHECK(idjag_exchange_new(&config, &callbacks, &server, &error) == IDJAG_LOAD_FAILED && server == NULL, "made");
    CHECK(idjag_idp_new(&config, &callbacks, &idp, &error) == IDJAG_OK, "%s", error.message);
    config = config_of(server_config);
    CHECK(idjag_exchange_new(&config, &callbacks, &server, &error) == IDJAG_OK, "%s", error.message);

    /* Documents. The keys go to the server as they are. */
    CHECK(idjag_idp_metadata(idp, &text, &error) == IDJAG_OK && strstr(idjag_text_data(text, NULL), ISSUER "/token"), "%s",
          error.message);
    idjag_text_free(text);
    CHECK(idjag_idp_warnings(idp, &text, &error) == IDJAG_OK && strstr(idjag_text_data(text, NULL), "kept nowhere"), "%s",
          idjag_text_data(text, NULL));
    idjag_text_free(text);
    CHECK(idjag_idp_jwks(idp, &text, &error) == IDJAG_OK, "%s", error.message);
    CHECK(strstr(idjag_text_data(text, &length), "\"d\":") == NULL, "a private member");
    CHECK(idjag_put_jwks(server, ISSUER, strlen(ISSUER), idjag_text_data(text, NULL), length, &error) == IDJAG_OK, "%s",
          error.message);
    idjag_text_free(text);
    CHECK(idjag_authorization_endpoint(server, &text, &error) == IDJAG_OK, "%s", error.message);
    CHECK(strcmp(idjag_text_data(text, NULL), "https://auth.chat.example/authorize") == 0, "%s", idjag_text_data(text, NULL));
    idjag_text_free(text);

    /* Ada signed in. */
    ada.subject = "ada";
    ada.subject_length = 3;
    ada.client_id = "agent";
    ada.client_id_length = 5;
    ada.issued_at = now;
    ada.lifetime_s = 3600;
    CHECK(idjag_idp_id_token(idp, &ada, &token, &error) == IDJAG_OK, "%s", error.message);
    check_ask(idp, idjag_text_data(token, NULL), "target_group_required");
    idjag_text_free(token);
    ada.groups = groups;
    ada.group_lengths = lengths;
    ada.group_count = 2;
    ada.email = "ada@acme.example";
    ada.email_length = strlen(ada.email);
    CHECK(idjag_idp_id_token(idp, &ada, &token, &error) == IDJAG_OK, "%s", error.message);
    id_jag = check_ask(idp, idjag_text_data(token, NULL), NULL);
    check_ask(idp, "not.a.token", "subject_token_malformed");
    check_now = now + 3631;
    check_ask(idp, idjag_text_data(token, NULL), "subject_token_time");
    check_now = now;
    idjag_text_free(token);
    ada.subject = "\xff";
    ada.subject_length = 1;
    CHECK(idjag_idp_id_token(idp, &ada, &text, &error) == IDJAG_LOAD_FAILED, "%s", error.message);
    ada.subject = NULL;
    ada.subject_length = 0;
    CHECK(idjag_idp_id_token(idp, &ada, &text, &error) == IDJAG_MISUSE, "%s", error.message);
    ada.subject = "ada";
    ada.subject_length = 3;
    ada.group_lengths = NULL;
    CHECK(idjag_idp_id_token(idp, &ada, &text, &error) == IDJAG_MISUSE, "%s", error.message);
    idjag_idp_free(idp);

    /* The server takes what it issued, also when it is gone. In quotes, as JSON has it. */
    request.assertion = id_jag + 1;
    request.assertion_length = strlen(id_jag) - 2;
    request.client_id = "f53f191f9311af35";
    request.client_id_length = strlen(request.client_id);
    CHECK(idjag_exchange(server, &request, &issued, &error) == IDJAG_OK, "%s", error.slug);
    CHECK(strcmp(idjag_token_scope(issued, NULL), "chat.read") == 0, "%s", idjag_token_scope(issued, NULL));
    presented.token = idjag_token_access_token(issued, &presented.token_length);
    presented.resource = idjag_token_resource(issued, &presented.resource_length);
    CHECK(idjag_verify(server, &presented, &who, &error) == IDJAG_OK, "%s", error.slug);
    CHECK(strcmp(idjag_verified_subject(who, NULL), "ada") == 0 && strcmp(idjag_verified_idp(who, NULL), ISSUER) == 0, "who");
    CHECK(idjag_verified_group_count(who) == 1 && strcmp(idjag_verified_group(who, 0, NULL), "eng") == 0, "groups");
    idjag_verified_free(who);
    idjag_token_free(issued);
    idjag_exchange_free(server);
    free(id_jag);
    puts("idp: what it issues, the server takes");
    return 0;
}
