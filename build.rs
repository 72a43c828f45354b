//! What cargo cannot know by itself: that migrations are compiled in, and that the description of
//! the API is served as JSON too.

use std::path::Path;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script so where to write"
)]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=openapi.yaml");
    let yaml = std::fs::read_to_string("openapi.yaml").expect("openapi.yaml is there");
    let document: serde_json::Value =
        serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("openapi.yaml: {error}"));
    let folder = std::env::var("OUT_DIR").expect("cargo says where to build");
    std::fs::write(
        Path::new(&folder).join("openapi.json"),
        document.to_string(),
    )
    .expect("the folder that cargo named can be written to");
}
