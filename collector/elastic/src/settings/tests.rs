use super::*;

fn read(text: &str) -> Result<Settings, SettingsError> {
    let raw: RawSettings = toml::from_str(text).unwrap();
    raw.settings(Path::new("/etc/isochrone"))
}

fn refused(text: &str) -> (&'static str, String) {
    let error = read(text).unwrap_err();
    (error.key(), error.to_string())
}

#[test]
fn section_of_the_guide_is_read() {
    let text = r#"
        urls = ["https://es1.example.org:9200", "https://es2.example.org:9200/es"]
        ca = "es-ca.pem"
        user = "isochrone"
        password_file = "/etc/secret/es-password"
        period = "day"
    "#;
    let settings = read(text).unwrap();
    assert_eq!(settings.urls.len(), 2);
    assert_eq!(settings.ca.unwrap(), Path::new("/etc/isochrone/es-ca.pem"));
    let Some(Account::User { name, password_file }) = settings.account else {
        panic!("no user");
    };
    assert_eq!(
        (name.as_str(), password_file.to_str().unwrap()),
        ("isochrone", "/etc/secret/es-password")
    );
    assert_eq!(
        (settings.prefix.as_str(), settings.period),
        ("isochrone", Period::Day)
    );
}

#[test]
fn wrong_values_are_named_with_their_key() {
    let https = "urls = [\"https://es:9200\"]\n";
    for (text, key, says) in [
        ("urls = []", "urls", "at least one"),
        ("urls = [\"es1:9200\"]", "urls", "neither https"),
        ("urls = [\"\"]", "urls", "\"\""),
        ("urls = [\"https://a:1\", \"https://a:1\"]", "urls", "twice"),
        ("urls = [\"https://a:1/?x=1\"]", "urls", "?"),
        (&format!("{https}user = \"a\""), "user", "password_file"),
        (
            &format!("{https}password_file = \"a\""),
            "password_file",
            "needs user",
        ),
        (
            &format!("{https}user = \"a\"\napi_key_file = \"k\""),
            "api_key_file",
            "keep one",
        ),
        (&format!("{https}prefix = \"logs-x\""), "prefix", "claim"),
        (&format!("{https}prefix = \"Iso\""), "prefix", "a-z"),
        (&format!("{https}period = \"week\""), "period", "\"week\""),
        ("urls = [\"http://127.0.0.1:1\"]\nca = \"a.pem\"", "ca", "https"),
        (
            "urls = [\"http://es:9200\"]\napi_key_file = \"k\"",
            "urls",
            "in the clear",
        ),
    ] {
        let (found, words) = refused(text);
        assert_eq!(found, key, "{words}");
        assert!(words.contains(says), "{words}");
        assert!(words.starts_with("elasticsearch."), "{words}");
    }
}

#[test]
fn password_in_an_address_is_refused_and_not_repeated() {
    for text in [
        "urls = [\"https://me:hunter2@es:9200\"]",
        "urls = [\"https://me:hunter2@es:99999999\"]",
    ] {
        let (key, words) = refused(text);
        assert_eq!(key, "urls");
        assert!(!words.contains("hunter2"), "{words}");
    }
}

#[test]
fn credentials_may_go_in_the_clear_to_this_machine_alone() {
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        let text = format!("urls = [\"http://{host}:9200\"]\napi_key_file = \"k\"");
        assert!(read(&text).is_ok(), "{host}");
    }
}
