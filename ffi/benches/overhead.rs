//! What a call through C costs over the same call in Rust: `cargo bench -p idjag-ffi --bench overhead`, once
//! `cargo build --release -p idjag-ffi` has built `libidjag.so`.
//!
//! Both engines have the same configuration, take turns over blocks of the same assertions in one process, and free what
//! they give; what is printed are medians, and the medians of the differences within a turn.
#![allow(unsafe_code, reason = "it calls as C does")]
#![allow(missing_docs, reason = "a program")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::hint::black_box;
use std::mem::transmute_copy;
use std::sync::Arc;
use std::time::Instant;
use std::{env, ptr};

use idjag::{Algorithm, Clock as _, Config, Exchange, IdJag, IdJagMinter, Request, SigningKey, SystemClock};

type Failure = Box<dyn std::error::Error>;

const BLOCK: usize = 100;
const BLOCKS: usize = 100;
const ISSUER: &str = "https://auth.chat.example/";
const RESOURCE: &str = "https://mcp.chat.example/";
const IDP: &str = "https://acme.idp.example";
const CLIENT: &str = "agent";

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `idjag_config_t`, `idjag_request_t` and `idjag_presented_t`: a size, and words behind it.
type Words<const COUNT: usize> = [usize; COUNT];
type New = unsafe extern "C" fn(*const Words<9>, *const c_void, *mut *mut c_void, *mut c_void) -> c_int;
type Call<const COUNT: usize> =
    unsafe extern "C" fn(*const c_void, *const Words<COUNT>, *mut *mut c_void, *mut c_void) -> c_int;
type Free = unsafe extern "C" fn(*mut c_void);
type Text = unsafe extern "C" fn(*const c_void, *mut usize) -> *const c_char;

/// The functions of the shared library.
struct Library(*mut c_void);

impl Library {
    fn open() -> Result<Self, Failure> {
        let path = env::var("IDJAG_LIBRARY").unwrap_or_else(|_| {
            concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/libidjag.so").to_owned()
        });
        let name = std::ffi::CString::new(path.clone())?;
        // SAFETY: a path that ends in NUL; 2 is RTLD_NOW.
        let library = unsafe { dlopen(name.as_ptr(), 2) };
        if library.is_null() { Err(format!("cannot open {path}").into()) } else { Ok(Self(library)) }
    }

    /// The function `name`, as an `F`.
    fn function<F: Copy>(&self, name: &CStr) -> Result<F, Failure> {
        // SAFETY: the library stays open.
        let symbol = unsafe { dlsym(self.0, name.as_ptr()) };
        if symbol.is_null() {
            return Err(format!("no function {name:?}").into());
        }
        // SAFETY: `F` is a pointer to a function of the type that the header gives to that name.
        Ok(unsafe { transmute_copy::<*mut c_void, F>(&symbol) })
    }
}

/// The engine behind the C functions.
struct InC {
    handle: *mut c_void,
    exchange: Call<10>,
    verify: Call<13>,
    access_token: Text,
    free_token: Free,
    free_verified: Free,
}

impl InC {
    /// With the configuration `config`, whose files are in `folder`.
    fn new(config: &str, folder: &str) -> Result<Self, Failure> {
        let library = Library::open()?;
        let new: New = library.function(c"idjag_exchange_new")?;
        let (text, place) = (config.as_ptr() as usize, folder.as_ptr() as usize);
        let words = [size_of::<Words<9>>(), 0, 0, text, config.len(), 0, 0, place, folder.len()];
        let mut handle = ptr::null_mut();
        // SAFETY: everything that it is given lives on.
        if unsafe { new(&raw const words, ptr::null(), &raw mut handle, ptr::null_mut()) } != 0 {
            return Err("idjag_exchange_new".into());
        }
        Ok(Self {
            handle,
            exchange: library.function(c"idjag_exchange")?,
            verify: library.function(c"idjag_verify")?,
            access_token: library.function(c"idjag_token_access_token")?,
            free_token: library.function(c"idjag_token_free")?,
            free_verified: library.function(c"idjag_verified_free")?,
        })
    }

    /// The token, or NULL.
    fn exchange(&self, assertion: &str) -> *mut c_void {
        let (text, client) = (assertion.as_ptr() as usize, CLIENT.as_ptr() as usize);
        let words = [size_of::<Words<10>>(), text, assertion.len(), client, CLIENT.len(), 0, 0, 0, 0, 0];
        let mut token = ptr::null_mut();
        // SAFETY: everything that it is given lives on.
        unsafe { (self.exchange)(self.handle, &raw const words, &raw mut token, ptr::null_mut()) };
        token
    }

    /// Exchanges, and frees the token.
    fn exchanges(&self, assertion: &str) -> bool {
        let token = self.exchange(assertion);
        // SAFETY: given above, or NULL.
        unsafe { (self.free_token)(token) };
        !token.is_null()
    }

    /// Verifies a token that stays, and frees the answer.
    fn verifies(&self, token: *mut c_void) -> bool {
        let (mut length, mut who) = (0, ptr::null_mut());
        // SAFETY: the token was given by `exchange`.
        let text = unsafe { (self.access_token)(token, &raw mut length) } as usize;
        let resource = RESOURCE.as_ptr() as usize;
        let words = [size_of::<Words<13>>(), text, length, resource, RESOURCE.len(), 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: everything that it is given lives on.
        unsafe { (self.verify)(self.handle, &raw const words, &raw mut who, ptr::null_mut()) };
        // SAFETY: given above, or NULL.
        unsafe { (self.free_verified)(who) };
        !who.is_null()
    }
}

fn main() -> Result<(), Failure> {
    let idp = Arc::new(SigningKey::generate(Algorithm::EdDSA)?);
    let own = SigningKey::generate(Algorithm::EdDSA)?.to_jwk().to_string();
    let config = config(&idp.public_jwk().ok_or("no public key")?);
    let folder = env::temp_dir().join(format!("idjag-overhead-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("own.jwk"), &own)?;
    let rust = Exchange::new(Config::parse("bench", &config, &mut |_| Ok(own.clone().into_bytes()))?)?;
    let c = InC::new(&config, folder.to_str().ok_or("a path in UTF-8")?)?;
    std::fs::remove_dir_all(&folder)?;

    let assertions = assertions(&IdJagMinter::new(IDP, idp))?;
    let in_rust = |assertion: &str| {
        rust.exchange(&Request { assertion: assertion.as_bytes(), client_id: CLIENT, ..Request::default() })
    };
    // One token, to be verified again and again.
    let first = assertions.first().ok_or("no assertion")?;
    let issued = in_rust(first).map_err(|refusal| refusal.to_string())?;
    let token = c.exchange(first);

    let mut times: [Vec<f64>; 4] = Default::default();
    for block in assertions.chunks(BLOCK).skip(1) {
        let [exchanged, exchanged_in_c, verified, verified_in_c] = &mut times;
        exchanged.push(time(block, |assertion| black_box(in_rust(assertion)).is_ok())?);
        exchanged_in_c.push(time(block, |assertion| c.exchanges(assertion))?);
        let bytes = issued.access_token().as_bytes();
        verified.push(time(block, |_| black_box(rust.verify(bytes, RESOURCE)).is_ok())?);
        verified_in_c.push(time(block, |_| c.verifies(token))?);
    }
    println!("medians of {} blocks of {BLOCK} calls that take turns, EdDSA -> EdDSA\n", BLOCKS - 1);
    let [exchanged, exchanged_in_c, verified, verified_in_c] = times;
    for (name, rust, c) in
        [("exchange", exchanged, exchanged_in_c), ("verify, seen before", verified, verified_in_c)]
    {
        let over = median(c.iter().zip(&rust).map(|(c, rust)| c - rust).collect());
        println!("{name:<22} Rust {:>7.2} us   C {:>7.2} us   over {over:+.2} us", median(rust), median(c));
    }
    println!("\naim: at most +0.20 us for an exchange");
    Ok(())
}

/// A server that trusts one IdP.
fn config(idp: &str) -> String {
    format!(
        r#"{{
            "issuer": "{ISSUER}", "audit": "off", "tokens": {{ "keys": ["own.jwk"] }}, "replay": {{ "cold_start": "accept" }},
            "idps": [{{ "issuer": "{IDP}", "jwks": {{ "keys": [{idp}] }} }}],
            "clients": [{{ "id": "{CLIENT}", "auth": "none", "connectors": ["*"] }}],
            "connectors": [{{
                "id": "chat", "resource": "{RESOURCE}", "scopes": ["chat.read", "chat.write"], "state": "enabled",
                "owner": "o", "review_by": "2099-01-01", "grants": [{{ "groups": ["eng"], "scopes": ["chat.read"] }}]
            }}]
        }}"#
    )
}

fn assertions(minter: &IdJagMinter) -> Result<Vec<String>, Failure> {
    let mint = |_| {
        Ok(minter.mint(&IdJag {
            audience: ISSUER,
            client_id: CLIENT,
            subject: "ada",
            resource: Some(RESOURCE),
            groups: &["eng"],
            issued_at: SystemClock.now(),
            lifetime_s: 300,
            ..IdJag::default()
        })?)
    };
    (0..BLOCK * BLOCKS).map(mint).collect()
}

/// Microseconds for each of `block`.
fn time<T>(block: &[T], mut call: impl FnMut(&T) -> bool) -> Result<f64, Failure> {
    let start = Instant::now();
    let done = block.iter().all(&mut call);
    let passed = start.elapsed().as_secs_f64() * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    if done { Ok(passed / block.len() as f64) } else { Err("a call failed".into()) }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
