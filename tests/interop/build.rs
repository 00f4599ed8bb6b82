/// `sqlx::migrate!` sees the files that it was compiled with; a new one is to be noticed too.
fn main() {
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=../../ait42nb/migrations");
}
