//! A mark: one bit out of 64 that stands for a name, so that a set of names is one word and most of what is not in it
//! is told at a glance.

/// The mark of `name`, by its length, its first and its last byte, so weighted that of the claims that tokens bring no
/// two share one. Other names may: then only a comparison tells.
pub(crate) fn mark(name: &str) -> u64 {
    let (first, last) = (name.as_bytes().first(), name.as_bytes().last());
    let byte = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default());
    1 << ((name.len() * 7 + byte(first) * 2 + byte(last) * 5) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_of_a_token_have_each_their_own() {
        let claims = "iss sub aud exp iat nbf jti client_id scope resource tenant aud_tenant aud_sub sub_id email \
                      act cnf authorization_details groups sub_profile idp";
        let marks = claims.split_whitespace().fold(0, |marks, name| marks | mark(name));
        assert_eq!(marks.count_ones() as usize, claims.split_whitespace().count());
        assert_eq!(mark(""), 1);
    }
}
