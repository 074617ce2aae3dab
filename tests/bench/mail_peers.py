# SPDX-License-Identifier: Apache-2.0
"""The mail filters that ours is measured against, from Debian's packages: each with a configuration of its own in a scratch
directory, as its own user, in the foreground, started and stopped by pid. All of them sign for example.org with one rsa-2048 key
(none of them makes the two signatures that ours makes), log no more than a line a message, and ask no DNS."""

import os
import pwd
import subprocess

from peers import Peer, as_user, free_port, own


def make_key(file, user):
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", file], check=True, capture_output=True)
    os.chown(file, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    os.chmod(file, 0o600)
    return file


def opendkim(scratch, socket_directory):
    """A milter that signs and does nothing else. On a unix socket: over TCP it waits for delayed acknowledgements."""
    base, sockets = own(scratch / "opendkim", "opendkim"), own(socket_directory, "opendkim")
    key = make_key(base / "key.pem", "opendkim")
    (base / "opendkim.conf").write_text(f"""
Socket local:{sockets}/milter
UMask 000
Mode s
Domain example.org
Selector opendkim
KeyFile {key}
Canonicalization relaxed/relaxed
SignatureAlgorithm rsa-sha256
InternalHosts 127.0.0.0/8
Syslog no
RequireSafeKeys no
""")
    return Peer("opendkim", as_user("opendkim", "/usr/sbin/opendkim", "-f", "-x", base / "opendkim.conf"), sockets / "milter", base / "log")


def redis(base):
    """What Rspamd keeps rate limits, history and replies in; nothing of it goes to the disk."""
    store = own(base / "redis", "redis")
    command = as_user("redis", "/usr/bin/redis-server", "--port", "0", "--unixsocket", store / "socket", "--unixsocketperm", "777",
                      "--save", "", "--appendonly", "no", "--dir", store, "--daemonize", "no")
    return Peer("redis", command, store / "socket", base / "redis.log")


# Off, since they ask the DNS or the network; greylisting, since it would defer.
NETWORK_MODULES = ("rbl surbl spf dkim dmarc arc asn fuzzy_check mx_check phishing url_redirector rspamd_update greylist").split()


def rspamd_configuration(base, sockets, cache, key, rules, filters):
    (base / "local.d/dkim_signing.conf").write_text(f'path = "{key}";\nselector = "rspamd";\nuse_esld = false;\n')
    port = free_port()
    (base / "rspamd.conf").write_text(f"""
{rules}
options {{
    pidfile = "{base}/pid";
    .include "$CONFDIR/options.inc"
    filters = "{filters}";
    control_socket = "{base}/control mode=0600";
    tempdir = "{base}";
    hs_cache_dir = "{cache}";
    dns {{ nameserver = ["127.0.0.1:9"]; }}
}}
logging {{
    type = "file";
    filename = "{base}/rspamd.log";
    level = "notice";
}}
worker "normal" {{
    bind_socket = "127.0.0.1:{port}";
    .include "$CONFDIR/worker-normal.inc"
}}
worker "rspamd_proxy" {{
    bind_socket = "{sockets}/milter mode=0666";
    milter = yes;
    timeout = 120s;
    count = 1;
    upstream "local" {{ default = yes; hosts = "127.0.0.1:{port}"; }}
}}
""")


def rspamd(name, scratch, socket_directory, cache, rules, filters, local=()):
    base, sockets = own(scratch / name, "_rspamd"), own(socket_directory, "_rspamd")
    own(base / "local.d", "_rspamd")
    for module, text in local:
        (base / "local.d" / f"{module}.conf").write_text(text + "\n")
    if not cache.exists():
        own(cache, "_rspamd")
    rspamd_configuration(base, sockets, cache, make_key(base / "key.pem", "_rspamd"), rules, filters)
    directories = [f"--var={var}={base}" for var in ("DBDIR", "RUNDIR", "LOGDIR", "LOCAL_CONFDIR")]
    command = as_user("_rspamd", "/usr/bin/rspamd", "-f", "-c", base / "rspamd.conf", *directories)
    return Peer(name, command, sockets / "milter", base / "log", patience=300)  # it compiles its patterns first


def rspamd_default(scratch, socket_directory, cache):
    """As an administrator gets it, but for what asks the network: all local modules, a rate limit that is never reached, redis.
    `cache` is a directory for compiled patterns, which all the Rspamds of a run share."""
    store_base = scratch / "rspamd-store"
    store_base.mkdir()
    store = redis(store_base)
    local = [(name, "enabled = false;") for name in NETWORK_MODULES]
    local.append(("redis", f'servers = "{store.where}";'))
    local.append(("ratelimit", 'rates { bench = { selector = "smtp_from"; bucket = { burst = 100000000; rate = "100000000 / 1h"; } } }'))
    try:
        return [rspamd("rspamd", scratch, socket_directory, cache, '.include "$CONFDIR/common.conf"', "chartable,dkim,regexp,fuzzy_check", local), store]
    except BaseException:
        store.stop()
        raise


def rspamd_signing(scratch, socket_directory, cache):
    """Nothing but dkim_signing, not even the rules: the like for like of our signing, and less than an administrator would run."""
    rules = """.include "$CONFDIR/actions.conf"
modules { path = "${PLUGINSDIR}"; }
.include "$CONFDIR/modules.d/dkim_signing.conf\""""
    return [rspamd("rspamd-signing", scratch, socket_directory, cache, rules, "")]


def amavisd(scratch, address, servers=4):
    """MIME decoding, banned files, header checks and signing; no SpamAssassin, no virus scanner. Hands on to port 10025 of
    `address`."""
    base, port = own(scratch / "amavis", "amavis"), free_port()
    own(base / "tmp", "amavis")
    configuration = scratch / "amavisd.conf"  # where amavisd may not write, or it will not read it
    key = make_key(base / "key.pem", "amavis")
    configuration.write_text(f"""
use strict;
$max_servers = {servers};
$daemon_user = 'amavis'; $daemon_group = 'amavis';
$MYHOME = '{base}'; $TEMPBASE = '{base}/tmp'; $QUARANTINEDIR = undef; $db_home = '{base}';
$lock_file = '{base}/lock'; $pid_file = '{base}/pid';
$mydomain = 'example.org'; $myhostname = 'mail.example.org';
$log_level = 0; $DO_SYSLOG = 0; $LOGFILE = '{base}/amavis.log';
$enable_db = 0; $enable_zmq = 0; $nanny_details_level = 0;
$inet_socket_port = {port}; $inet_socket_bind = '127.0.0.1'; @inet_acl = qw(127.0.0.0/8); $unix_socketname = undef;
$forward_method = 'smtp:[{address}]:10025'; $notify_method = $forward_method;
@bypass_spam_checks_maps = (1); @bypass_virus_checks_maps = (1); @av_scanners = (); @av_scanners_backup = ();
$final_virus_destiny = D_PASS; $final_banned_destiny = D_PASS; $final_spam_destiny = D_PASS; $final_bad_header_destiny = D_PASS;
$originating = 1; $enable_dkim_verification = 0; $enable_dkim_signing = 1; $smtp_connection_cache_enable = 0;
dkim_key('example.org', 'amavis', '{key}');
1;
""")
    return Peer("amavisd", as_user("amavis", "/usr/sbin/amavisd", "-c", configuration, "foreground"), port, base / "log")
