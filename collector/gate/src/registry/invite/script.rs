//! The text a worker pastes into a shell on the server.

use isochrone_base::words;
use isochrone_proto::token::Token;

use crate::registry::record::ProbeSite;

/// UDP port of a probe's echo responder, unless its own configuration says otherwise.
const ECHO_PORT: u16 = 7472;

/// The script. It runs in a subshell, which is read whole before any of it runs: however it ends, the worker's own
/// shell goes on as it was, and the last line on the screen says what came of it. It holds no comments: zsh reads none
/// from a keyboard.
pub(in crate::registry) fn script(token: &Token, name: &str, site: &ProbeSite) -> String {
    let ProbeSite {
        worker,
        latitude,
        longitude,
        ..
    } = site;
    let site = site.site.replace('\'', "’");
    let expires = words::rfc3339_second(token.expires);
    format!(
        r#": 'Isochrone probe {name}, for {worker} in {site} (latitude {latitude}, longitude {longitude}).'
: 'For one server only, valid until {expires}. Whoever holds the token can join: post it nowhere.'
(
give_up() {{ echo "isochrone: $1" >&2; exit 1; }}

command -v isochrone-probe >/dev/null ||
  give_up 'isochrone-probe is not installed: put the binary the lead sent into /usr/local/bin, then paste this again.'
as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || give_up 'This needs root, and sudo is not installed: become root, then paste this again.'
  as_root=sudo
fi
$as_root isochrone-probe join {token} ||
  give_up 'This server has not joined; the reason stands above. Nothing was started. Paste this again once it is mended.'

: 'The other probes must reach the echo responder here; it answers only those the lead planned.'
if command -v ufw >/dev/null; then
  $as_root ufw allow {ECHO_PORT}/udp
elif command -v firewall-cmd >/dev/null; then
  $as_root firewall-cmd --permanent --add-port={ECHO_PORT}/udp && $as_root firewall-cmd --reload
else
  echo 'If a firewall runs here, let UDP port {ECHO_PORT} in.'
fi || echo 'isochrone: The firewall could not be told; let UDP port {ECHO_PORT} in yourself.' >&2

: 'Start it now and at every boot.'
if command -v systemctl >/dev/null && systemctl cat isochrone-probe.service >/dev/null 2>&1; then
  $as_root systemctl enable --now isochrone-probe.service ||
    give_up "It has joined, but does not run. Why: ${{as_root:+sudo }}journalctl -u isochrone-probe"
  echo "The probe runs. What it does: ${{as_root:+sudo }}isochrone-probe status"
else
  echo "It has joined, but no systemd unit is installed; start the probe yourself: ${{as_root:+sudo }}isochrone-probe run"
fi
)
"#
    )
}
