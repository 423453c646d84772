use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("collector.toml")).map_err(|error| error.to_string())
}

#[test]
fn empty_file_gives_every_default() {
    let config = parse("").unwrap();
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.web, "127.0.0.1:7471".parse().unwrap());
    assert_eq!(config.pace, Pace::default());
}

#[test]
fn sample_is_read_and_changes_nothing() {
    let config = parse(SAMPLE).unwrap();
    assert_eq!(config.pace, Pace::default());
    assert_eq!(config.listen, Config::default().listen);
}

#[test]
fn typo_is_named_with_file_and_key() {
    let error = parse("echo_intervall = \"10s\"").unwrap_err();
    assert!(
        error.contains("collector.toml") && error.contains("echo_intervall"),
        "{error}"
    );
}

#[test]
fn intervals_are_held_to_their_bounds_on_both_sides() {
    assert!(parse("echo_interval = \"100ms\"").is_ok());
    let error = parse("echo_interval = \"99ms\"").unwrap_err();
    assert!(
        error.contains("echo_interval = 99ms") && error.contains("100ms"),
        "{error}"
    );
    assert!(parse("echo_interval = \"1day\"").is_ok());
    assert!(parse("echo_interval = \"86401s\"").is_err());
}

#[test]
fn budgets_are_held_to_their_bounds_on_both_sides() {
    let config = parse("status_per_minute = 1\nasset_per_minute = 6000\nconnect_per_minute = 60").unwrap();
    let expected = Budget {
        status: 1,
        asset: 6_000,
        connect: 60,
    };
    assert_eq!(config.pace.budget, expected);
    for wrong in [
        "status_per_minute = 0",
        "asset_per_minute = 6001",
        "connect_per_minute = 0",
    ] {
        let error = parse(wrong).unwrap_err();
        assert!(error.contains(wrong) && error.contains("1 to 6000"), "{error}");
    }
}

#[test]
fn replaced_key_is_refused_with_the_name_of_the_new_one() {
    for (old, new) in [
        ("status_interval = \"10s\"", "status_per_minute"),
        ("asset_interval = \"60s\"", "asset_per_minute"),
    ] {
        let error = parse(old).unwrap_err();
        let key = old.split(' ').next().unwrap();
        assert!(
            error.contains("collector.toml") && error.contains(key) && error.contains(new),
            "{error}"
        );
    }
}

#[test]
fn key_of_the_probes_is_refused_with_where_it_belongs() {
    let error = parse("allow_private = [\"10.0.0.0/8\"]").unwrap_err();
    assert!(
        error.contains("allow_private") && error.contains("probe.toml"),
        "{error}"
    );
}

#[test]
fn page_reachable_from_outside_needs_a_token() {
    assert!(parse("web = \"0.0.0.0:7471\"").unwrap_err().contains("web_token"));
    for weak in ["short", "aaaaaaaaaaaaaaaa", "0123456789abcdef"] {
        let error = parse(&format!("web_token = \"{weak}\"")).unwrap_err();
        assert!(
            error.contains("web_token") && error.contains("openssl rand -hex 16"),
            "{error}"
        );
    }
    assert!(parse("web = \"0.0.0.0:7471\"\nweb_token = \"9f86d081884c7d65\"").is_ok());
}

#[test]
fn public_address_without_port_is_refused() {
    assert!(parse("public_addresses = [\"lead.example.org:7470\", \"[2001:db8::1]:7470\"]").is_ok());
    let error = parse("public_addresses = [\"lead.example.org\"]").unwrap_err();
    assert!(
        error.contains("lead.example.org") && error.contains("host:port"),
        "{error}"
    );
}

#[test]
fn one_address_twice_in_listen_is_refused_with_its_line() {
    let error = parse("\n# where\nlisten = [\"0.0.0.0:7470\", \"0.0.0.0:7470\"]").unwrap_err();
    assert!(
        error.contains("collector.toml, line 3: listen = 0.0.0.0:7470") && error.contains("once"),
        "{error}"
    );
    for covered in [
        "\"0.0.0.0:7470\", \"192.0.2.7:7470\"",
        "\"[2001:db8::1]:7470\", \"[::]:7470\"",
    ] {
        assert!(parse(&format!("listen = [{covered}]")).is_err(), "{covered}");
    }
    assert!(parse("listen = [\"0.0.0.0:7470\", \"192.0.2.7:7480\", \"[::]:7470\"]").is_ok());
    assert!(parse("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]").is_ok());
}

#[test]
fn size_with_a_decimal_comma_is_told_how_to_be_written() {
    let error = parse("disk_reserve = \"1,5GiB\"").unwrap_err();
    assert!(
        error.contains("disk_reserve") && error.contains("\"1.5GiB\"") && error.contains("line 1"),
        "{error}"
    );
    assert_eq!(parse("disk_reserve = \"1.5GiB\"").unwrap().disk_reserve, 3 << 29);
    assert_eq!(parse("disk_reserve = 4096").unwrap().disk_reserve, 4_096);
    assert!(parse("disk_reserve = \"much\"").unwrap_err().contains("1GiB"));
}

#[test]
fn extra_roots_are_read_from_files_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collector.toml");
    fs::write(folder.path().join("words.pem"), "no certificate").unwrap();
    let read = |name: &str| {
        let text = format!("extra_roots = [\"{name}\"]");
        Config::parse(&text, &file).map_err(|error| error.to_string())
    };
    for (name, words) in [
        ("gone.pem", "cannot be read"),
        ("words.pem", "no certificate in PEM form"),
    ] {
        let error = read(name).unwrap_err();
        assert!(
            error.contains("line 1: extra_roots") && error.contains(name) && error.contains(words),
            "{error}"
        );
    }
    assert!(parse("").unwrap().extra_roots.with_the_systems().is_empty());
}

#[test]
fn retention_is_read_and_its_bounds_name_key_value_and_what_to_do() {
    let kept = parse("[retention]\nraw = \"14d\"\nhours = \"90d\"\ndays = \"1y\"\ntotal = \"5GiB\"").unwrap();
    let days = |days: u64| std::time::Duration::from_secs(days * 86_400);
    assert_eq!((kept.retention.raw, kept.retention.hours), (days(14), days(90)));
    assert_eq!(kept.retention.total, 5 << 30);
    assert_eq!(
        parse("").unwrap().retention,
        isochrone_store::Retention::default()
    );
    for (text, line, said) in [
        (
            "[retention]\nraw = \"6d\"",
            "line 2",
            "retention.raw = 6days: use 7days to 400days",
        ),
        ("raw = 1\n", "line 1", "raw"),
        (
            "[alerts]\n[retention]\n\nhours = \"20d\"",
            "line 4",
            "retention.hours = 20days: it must be kept at least as long as raw (30days)",
        ),
        (
            "[retention]\ndays = \"100d\"",
            "line 2",
            "retention.days = 100days: it must be kept at least as long as hours (180days)",
        ),
        (
            "[retention]\ntotal = \"1MiB\"",
            "line 2",
            "retention.total = 1048576 bytes: use",
        ),
        ("[retention]\nweeks = \"2w\"", "line 2", "weeks"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(said) && error.contains(line), "{text}: {error}");
    }
}

#[test]
fn coverage_is_read_and_its_errors_name_file_line_key_value_and_what_to_do() {
    let text = "[coverage]\ntarget_ttfb_ms = 250\ntarget_mbps = 12.5\naccess_offset = { NG = 30, \"continent:AF\" = 20, \"*\" = 5 }\nprior = \"none\"";
    let read = parse(text).unwrap().coverage;
    assert_eq!((read.targets.ttfb_ms, read.targets.mbps), (250.0, 12.5));
    assert_eq!(read.offsets.given().len(), 3);
    assert!(matches!(
        read.prior,
        isochrone_coverage::predict::PriorChoice::None
    ));
    let default = parse("").unwrap().coverage;
    assert_eq!((default.targets.ttfb_ms, default.targets.mbps), (350.0, 20.0));
    for (text, line, says) in [
        (
            "[coverage]\ntarget_ttfb_ms = 0",
            2,
            "coverage.target_ttfb_ms = 0: use a number above 0",
        ),
        (
            "[coverage]\n\ntarget_mbps = -3",
            3,
            "coverage.target_mbps = -3: use a number above 0",
        ),
        (
            "[coverage]\naccess_offset = { Atlantis = 5 }",
            2,
            "coverage.access_offset: Atlantis = 5: name a country's ISO code",
        ),
        (
            "[coverage]\naccess_offset = { NG = 5000 }",
            2,
            "coverage.access_offset: NG = 5000: name",
        ),
        (
            "[coverage]\nprior = \"nowhere.bin\"",
            2,
            "coverage.prior = \"nowhere.bin\": the file cannot be read",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(
            error.contains(says) && error.contains(&format!("collector.toml, line {line}: ")),
            "{error}"
        );
    }
    assert!(
        parse("[coverage]\ntarget_ttfb = 3")
            .unwrap_err()
            .contains("target_ttfb")
    );
}

#[test]
fn prior_of_the_configuration_begins_where_the_file_lies() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prior.bin"), b"no prior").unwrap();
    let error = Config::parse(
        "[coverage]\nprior = \"prior.bin\"",
        &folder.path().join("collector.toml"),
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("coverage.prior = \"prior.bin\": this is no prior"),
        "{error}"
    );
}
