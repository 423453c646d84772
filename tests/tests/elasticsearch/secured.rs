//! TLS with a private authority, and an account that may do the least.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use isochrone_base::error_chain::chain;
use isochrone_base::roster::Roster;
use isochrone_elastic::read::Reader;
use isochrone_elastic::setup::role;
use isochrone_elastic::sink::Standing;
use isochrone_elastic::{Account, Client, Method, Server, Settings};
use isochrone_store::{Scan as _, ScanRange, export};
use isochrone_tests::elasticsearch::Elasticsearch;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use crate::mesh::{Mesh, course};

pub(crate) const TLS: &str = "xpack.security.enabled: true
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.key: node.key
xpack.security.http.ssl.certificate: node.pem
xpack.security.transport.ssl.enabled: false
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven and a Java; .ci/run runs it"]
async fn account_that_may_do_the_least_feeds_it_over_tls_and_can_change_nothing() {
    for (release, java) in course(0) {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Elasticsearch::unpack(release, java, TLS).unwrap();
        let mut mesh = Mesh::new(&server);
        let ca = certificates(&server, &folder, "ca.pem");
        server.tool("elasticsearch-keystore", &["create"], "").unwrap();
        let bootstrap = ["add", "-x", "bootstrap.password"];
        server
            .tool("elasticsearch-keystore", &bootstrap, "of-the-admin")
            .unwrap();
        let writer = ["useradd", "writer", "-p", "of-the-writer", "-r", "isochrone_sink"];
        server.tool("elasticsearch-users", &writer, "").unwrap();
        for (user, role) in [("watcher", "watcher"), ("other", "other"), ("reader", "reader")] {
            let add = ["useradd", user, "-p", "of-somebody", "-r", role];
            server.tool("elasticsearch-users", &add, "").unwrap();
        }
        let elsewhere =
            json!([{ "names": ["operators-ping"], "privileges": ["read", "view_index_metadata"] }]);
        let here = json!([{ "names": ["isochrone-*"], "privileges": ["read", "view_index_metadata"] }]);
        let roles = format!(
            "isochrone_sink: {}\nwatcher: {}\nother: {}\nreader: {}\n",
            role(&mesh.names()),
            json!({ "cluster": ["monitor"] }),
            json!({ "cluster": ["monitor"], "indices": elsewhere }),
            json!({ "cluster": ["monitor"], "indices": here })
        );
        fs::write(server.config().join("roles.yml"), roles).unwrap();
        server.start().await.unwrap();

        mesh.settings.ca = Some(ca);
        let as_user = |name: &str, password: &str| {
            let file = folder.path().join(name);
            fs::write(&file, password).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            Some(Account::User {
                name: name.to_owned(),
                password_file: file,
            })
        };
        mesh.settings.account = as_user("elastic", "of-the-admin");
        mesh.set_up().await;
        mesh.settings.account = as_user("writer", "of-the-writer");
        mesh.measure(500).await;
        mesh.follow(async |_| {}).await;
        mesh.assert_equal().await;

        let client = mesh.client();
        let refused = client.fetch(Method::Delete, "isochrone-echo-*", None).await;
        assert!(refused.is_err(), "{refused:?}");
        let query = json!({ "size": 1 });
        let found = client
            .fetch(Method::Post, "isochrone-echo-*/_search", Some(&query))
            .await
            .unwrap();
        let hit = &found["hits"]["hits"][0];
        let (index, id) = (hit["_index"].as_str().unwrap(), hit["_id"].as_str().unwrap());
        let path = format!("{index}/_doc/{id}");
        let refused = client
            .request(Method::Put, &path, Some(&hit["_source"]))
            .await
            .unwrap();
        assert_eq!(refused.status, 403, "{refused:?}");
        let template = mesh
            .names()
            .template_body(isochrone_elastic::index::Family::Echo, Default::default());
        let refused = client
            .request(Method::Put, "_index_template/isochrone-echo", Some(&template))
            .await
            .unwrap();
        assert_eq!(refused.status, 403, "{refused:?}");

        let template = client
            .fetch(Method::Get, "_index_template/*-rollup", None)
            .await
            .unwrap();
        assert_eq!(
            template["index_templates"][0]["name"], "isochrone-rollup",
            "it sees how setup laid out histograms"
        );
        is_as_cheap_as_the_server_lets_it(&client, release.version).await;

        reads_with_that_account_and_says_what_another_lacks(&mut mesh, as_user).await;
        wrong_password_and_foreign_certificates_are_told(&mut mesh, as_user("writer", "another")).await;
        mesh.settings.account = as_user("writer", "of-the-writer");
        mesh.assert_equal().await;
    }
}

/// The newer release packs columns and needs no index of sequence numbers; the older one knows neither, and it is said.
async fn is_as_cheap_as_the_server_lets_it(client: &Client, version: &str) {
    let is_newer = version.starts_with("9.");
    let settings = client
        .fetch(Method::Get, "isochrone-echo-*/_settings", None)
        .await
        .unwrap();
    let index = settings.as_object().and_then(|all| all.values().next()).unwrap();
    let index = &index["settings"]["index"];
    let found = (
        index["use_time_series_doc_values_format"] == "true",
        index["seq_no"]["index_options"] == "doc_values_only",
    );
    assert_eq!(found, (is_newer, is_newer), "{version}: {index}");
    let lacks = Server::ask(client).await.unwrap().lacks().join("\n");
    for name in ["use_time_series_doc_values_format", "seq_no.index_options"] {
        assert_eq!(lacks.contains(name), !is_newer, "{version}: {lacks}");
    }
}

async fn reads_with_that_account_and_says_what_another_lacks(
    mesh: &mut Mesh,
    as_user: impl Fn(&str, &str) -> Option<Account>,
) {
    let nobody = Roster::new([], []);
    let reader = Reader::open(mesh.client(), &mesh.names(), &nobody).await.unwrap();
    let read = tokio::task::spawn_blocking(move || {
        reader.scan(ScanRange::default(), &mut |_| {}).unwrap();
        reader.foreign()
    });
    let read = read.await.unwrap();
    let count = export::ndjson(&mesh.store, ScanRange::default(), &mut std::io::sink(), |_| {}).unwrap();
    assert_eq!((read.strangers, read.documents), (count, 0), "{read:?}");

    let right = mesh.settings.account.clone();
    let reader = Reader::open(mesh.client(), &mesh.names(), &nobody).await.unwrap();
    assert_eq!(reader.extent().not_refreshed, None);
    mesh.settings.account = as_user("reader", "of-somebody");
    let reader = Reader::open(mesh.client(), &mesh.names(), &nobody).await.unwrap();
    let words = reader.extent().not_refreshed.clone().unwrap_or_default();
    assert!(words.contains("403") && words.contains("reader"), "{words}");
    for (user, password, says) in [
        ("writer", "wrong-one", "user, password_file or api_key_file"),
        ("watcher", "of-somebody", "elastic setup --role"),
        (
            "other",
            "of-somebody",
            "the account of [elasticsearch] may not see it",
        ),
    ] {
        mesh.settings.account = as_user(user, password);
        let refused = Reader::open(mesh.client(), &mesh.names(), &nobody).await;
        let words = chain(&refused.unwrap_err());
        assert!(
            words.contains(says) && !words.contains(password),
            "{user}: {words}"
        );
    }
    mesh.settings.account = right;
    as_user("writer", "of-the-writer");
}

async fn wrong_password_and_foreign_certificates_are_told(mesh: &mut Mesh, wrong: Option<Account>) {
    let right = mesh.settings.account.clone();
    mesh.settings.account = wrong;
    mesh.measure(5).await;
    let mut told = None;
    let Some(Account::User { password_file, .. }) = mesh.settings.account.clone() else {
        panic!("a user");
    };
    mesh.follow(async |status| {
        if status.standing == Standing::Blocked && told.is_none() {
            told = status.last_error.clone();
            fs::write(&password_file, "of-the-writer").unwrap(); // it is read again
        }
    })
    .await;
    let (_, words) = told.unwrap();
    assert!(words.contains("401") && !words.contains("another"), "{words}");
    mesh.settings.account = right;
    for (settings, says) in [
        (
            Settings {
                ca: None,
                ..mesh.settings.clone()
            },
            "UnknownIssuer",
        ),
        (
            Settings {
                urls: vec![
                    Url::parse(&mesh.settings.urls[0].as_str().replace("localhost", "127.0.0.1")).unwrap(),
                ],
                ..mesh.settings.clone()
            },
            "not valid for name",
        ),
    ] {
        let client =
            isochrone_elastic::Client::new(&settings, isochrone_base::clock::Clock::system()).unwrap();
        let words = chain(&Server::ask(&client).await.unwrap_err());
        assert!(words.contains(says), "{words}");
    }
}

/// A private authority's certificate for `localhost`, in the server's configuration; where the authority's own is.
pub(crate) fn certificates(server: &Elasticsearch, folder: &TempDir, name: &str) -> std::path::PathBuf {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // of the same name, curl takes the node's certificate for one that signed itself
    params
        .distinguished_name
        .push(DnType::CommonName, "a private authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut node = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    node.distinguished_name.push(DnType::CommonName, "localhost");
    let node = node.signed_by(&key, &authority).unwrap();
    fs::write(server.config().join("node.key"), key.serialize_pem()).unwrap();
    fs::write(server.config().join("node.pem"), node.pem()).unwrap();
    let file = folder.path().join(name);
    fs::write(&file, authority.pem()).unwrap();
    file
}
