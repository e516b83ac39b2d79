/* An assertion for an access token, and the token verified as the MCP server would.
 *
 *     exchange CONFIG CLIENT_ID < ASSERTION
 *
 * To see it work (`idjag` is the command, `exchange` this program):
 *
 *     idjag wave --people 1 --hostile 0 --record company
 *     head -n 1 company/requests.jsonl | cut -d '"' -f 4 > assertion
 *     ./exchange company/idjag.toml f53f191f9311af35 < assertion
 */
#include <idjag.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments) {
    static char assertion[16384];
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_exchange_t *exchange = NULL;
    idjag_token_t *token = NULL;
    idjag_verified_t *who = NULL;
    int failed = 1;

    if (count != 3) {
        fprintf(stderr, "exchange CONFIG CLIENT_ID < ASSERTION\n");
        return 2;
    }
    config.file = arguments[1];
    config.file_length = strlen(arguments[1]);
    if (idjag_exchange_new(&config, NULL, &exchange, &error) != IDJAG_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }

    request.assertion = assertion;
    request.assertion_length = fread(assertion, 1, sizeof assertion, stdin);
    while (request.assertion_length > 0 && assertion[request.assertion_length - 1] == '\n') {
        request.assertion_length--;
    }
    request.client_id = arguments[2]; /* whom you have authenticated */
    request.client_id_length = strlen(arguments[2]);
    if (idjag_exchange(exchange, &request, &token, &error) != IDJAG_OK) {
        fprintf(stderr, "refused: %s (%s)\n", error.slug ? error.slug : error.message, error.oauth_error);
        goto end;
    }
    printf("scope:    %s\n", idjag_token_scope(token, NULL));
    printf("resource: %s\n", idjag_token_resource(token, NULL));

    presented.token = idjag_token_access_token(token, &presented.token_length);
    presented.resource = idjag_token_resource(token, &presented.resource_length);
    if (idjag_verify(exchange, &presented, &who, &error) == IDJAG_OK) {
        printf("subject:  %s of %s\n", idjag_verified_subject(who, NULL), idjag_verified_idp(who, NULL));
        failed = 0;
    } else {
        fprintf(stderr, "not verified: %s\n", error.slug ? error.slug : error.message);
    }

end:
    idjag_verified_free(who);
    idjag_token_free(token);
    idjag_exchange_free(exchange);
    return failed;
}
