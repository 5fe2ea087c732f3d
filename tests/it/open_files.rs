//! A shell's limit of open files, which is there for programs of long ago.

use rustix::process::{Resource, getrlimit};
use tests::client::Client;
use tests::fabric::{Fabric, binary};

#[tokio::test]
async fn a_process_takes_as_many_connections_as_its_hard_limit_allows() {
    let dir = tempfile::tempdir().unwrap();
    let (binary, dir) = (binary(), dir.path().to_str().unwrap());
    let args = ["-c", "ulimit -Sn 256; exec \"$0\" \"$@\"", binary.to_str().unwrap(), "serve", "--data-dir", dir];
    let fabric = Fabric::start_of("sh".as_ref(), &args, "127.0.0.1:0").await;
    let told = Client::default().get(&format!("{}/metrics", fabric.admin)).await.unwrap();
    let told = String::from_utf8_lossy(&told.body).into_owned();
    let hard = getrlimit(Resource::Nofile).maximum.map_or(10_240, |hard| hard);
    assert!(told.contains(&format!("\nprocess_max_fds {hard}\n")), "{told}");
}
