/* The header alone, in every language that it promises: nothing is included before it, each _INIT fits its structure. */
#include <idjag.h>

int main(void) {
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_callbacks_t callbacks = IDJAG_CALLBACKS_INIT;
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_header_t header = IDJAG_HEADER_INIT;
    idjag_http_request_t http_request = IDJAG_HTTP_REQUEST_INIT;
    idjag_revocation_t revocation = IDJAG_REVOCATION_INIT;
    idjag_id_token_t id_token = IDJAG_ID_TOKEN_INIT;
    idjag_stats_t stats = IDJAG_STATS_INIT;
    idjag_source_t source = IDJAG_SOURCE_INIT;
    const char *compiled = IDJAG_VERSION, *runs = idjag_version();
    while (*compiled != 0 && *compiled == *runs) {
        compiled++;
        runs++;
    }
    return !(*compiled == 0 && *runs == 0 && error.struct_size == sizeof error && config.struct_size == sizeof config &&
             callbacks.struct_size == sizeof callbacks && request.struct_size == sizeof request &&
             presented.struct_size == sizeof presented && header.struct_size == sizeof header &&
             http_request.struct_size == sizeof http_request && revocation.struct_size == sizeof revocation &&
             id_token.struct_size == sizeof id_token && callbacks.client_keys == NULL && id_token.group_count == 0 &&
             stats.struct_size == sizeof stats && source.struct_size == sizeof source && source.last_error == NULL && error.message[0] == 0 && stats.policy_digest[0] == 0);
}
