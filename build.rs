//! Migrations are compiled in; cargo does not watch them by itself.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
