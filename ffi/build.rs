//! Gives the shared library its soname: the part of the version that must change when the interface breaks. And keeps it loaded
//! until the program ends: its threads may be on their way out when the last handle is freed.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system == "linux" {
        // Before 1.0 a minor version may break what was there.
        let part = |name| std::env::var(name).unwrap_or_default();
        let breaking = match part("CARGO_PKG_VERSION_MAJOR").as_str() {
            "0" => format!("0.{}", part("CARGO_PKG_VERSION_MINOR")),
            major => major.to_owned(),
        };
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libidjag.so.{breaking}");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
