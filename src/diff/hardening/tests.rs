//! Each kind of rule in each format; what is given up must be said, and what is not must not.

use super::*;

const UNIT: &str = "/etc/systemd/system/x.service";
const DROP_IN: &str = "/etc/systemd/system/x.service.d/y.conf";

/// `expected`: the beginnings of what is said.
#[track_caller]
fn check(path: &str, format: Format, before: Option<&str>, after: Option<&str>, expected: &[&str]) {
    let found = weakened(path, format, before, after);
    let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(one, wanted)| one.starts_with(wanted));
    assert!(fits, "{before:?} {after:?}: {found:?}, not {expected:?}");
}

#[track_caller]
fn unit(before: &str, after: &str, expected: &[&str]) {
    let text = |lines: &str| format!("[Service]\nExecStart=/x\n{lines}\n");
    check(UNIT, Format::Unit, Some(&text(before)), Some(&text(after)), expected);
}

#[test]
fn sandboxes_are_read_as_systemd_reads_them() {
    for off in ["0", "off", "no", "n", "false", "False"] {
        unit("NoNewPrivileges=yes", &format!("NoNewPrivileges={off}"), &["[Service] NoNewPrivileges: from yes to"]);
    }
    for on in ["1", "on", "true"] {
        unit("NoNewPrivileges=yes", &format!("NoNewPrivileges={on}"), &[]);
    }
    unit("NoNewPrivileges=yes", "NoNewPrivileges=yes\nNoNewPrivileges=no", &["[Service] NoNewPrivileges"]);
    unit("MemoryDenyWriteExecute=yes", "", &["[Service] MemoryDenyWriteExecute: yes is removed"]);
    unit("", "MemoryDenyWriteExecute=no", &[]);
    unit("ProtectSystem=strict", "ProtectSystem=full", &["[Service] ProtectSystem: from strict to full"]);
    unit("ProtectSystem=full", "ProtectSystem=strict", &[]);
    unit("ProtectHome=yes", "ProtectHome=0", &["[Service] ProtectHome"]);
    unit("ProtectProc=invisible", "", &["[Service] ProtectProc"]);
    unit("User=etcd", "User=root", &["[Service] User: from etcd to root"]);
    unit("User=etcd", "", &["[Service] User"]);
    unit("User=etcd", "User=etcd2", &[]);
    unit("UMask=0077", "UMask=0022", &["[Service] UMask"]);
}

#[test]
fn lists_of_a_sandbox_open_by_more_or_by_nothing() {
    let (caps, calls) = ("CapabilityBoundingSet=CAP_NET_ADMIN", "SystemCallFilter=@system-service");
    unit(
        caps,
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_ADMIN",
        &["[Service] CapabilityBoundingSet: CAP_SYS_ADMIN is"],
    );
    unit(caps, "", &["[Service] CapabilityBoundingSet: everything is allowed"]);
    unit(caps, "CapabilityBoundingSet=", &[]);
    unit("CapabilityBoundingSet=", "", &["[Service] CapabilityBoundingSet: everything"]);
    unit(
        "CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_X",
        "CapabilityBoundingSet=~CAP_X",
        &["[Service] CapabilityBoundingSet: CAP_SYS_ADMIN"],
    );
    unit("CapabilityBoundingSet=~CAP_X", "CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_X", &[]);
    unit(
        calls,
        "SystemCallFilter=@system-service\nSystemCallFilter=@mount",
        &["[Service] SystemCallFilter: @mount is"],
    );
    unit(calls, "SystemCallFilter=@system-service\nSystemCallFilter=", &["[Service] SystemCallFilter: everything"]);
    unit("RestrictNamespaces=yes", "RestrictNamespaces=user", &["[Service] RestrictNamespaces: user is allowed"]);
    unit("RestrictNamespaces=yes", "RestrictNamespaces=no", &["[Service] RestrictNamespaces: everything"]);
    unit("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=none", &[]);
    unit("", "AmbientCapabilities=CAP_SYS_ADMIN", &["[Service] AmbientCapabilities: CAP_SYS_ADMIN is granted"]);
}

#[test]
fn command_lines_are_judged_flag_by_flag() {
    let flags = |before: &str, after: &str, expected: &[&str]| {
        let text = |flags: &str| format!("[Service]\nExecStart=/usr/bin/x \\\n  {flags}\n");
        check(UNIT, Format::Unit, Some(&text(before)), Some(&text(after)), expected);
    };
    flags("--anonymous-auth=false", "--anonymous-auth=true", &["--anonymous-auth: from false to true"]);
    flags("--anonymous-auth=false", "", &["--anonymous-auth: false is removed"]);
    flags("--anonymous-auth=false", "--authentication-config=/a.yaml", &[]);
    flags("--audit-policy-file=/a", "", &["--audit-policy-file"]);
    let admission = "--enable-admission-plugins=NodeRestriction";
    flags(
        admission,
        "--enable-admission-plugins=AlwaysAdmit",
        &["--enable-admission-plugins: NodeRestriction is removed, AlwaysAdmit is added"],
    );
    flags(admission, "", &["--enable-admission-plugins: NodeRestriction is removed"]);
    flags(
        "--enable-admission-plugins=A,NodeRestriction",
        "--enable-admission-plugins=A",
        &["--enable-admission-plugins"],
    );
    flags("--enable-admission-plugins=A,NodeRestriction", "--enable-admission-plugins=NodeRestriction", &[]);
    flags("", "--disable-admission-plugins=NodeRestriction", &["--disable-admission-plugins"]);
    flags(
        "--authorization-mode=Node,RBAC",
        "--authorization-mode=AlwaysAllow",
        &["--authorization-mode: Node is removed"],
    );
    flags("--authorization-mode=Node,RBAC", "--authorization-config=/a", &[]);
    flags("--tls-min-version=VersionTLS12", "--tls-min-version=VersionTLS11", &["--tls-min-version"]);
    flags("--client-cert-auth", "--client-cert-auth=false", &["--client-cert-auth"]);
    flags("--requestheader-allowed-names=a", "", &["--requestheader-allowed-names: everything"]);
    flags("--x=1", "--x=2 --v=4", &[]);
}

#[test]
fn files_that_come_or_go_are_judged_by_what_they_say() {
    let open = "[Service]\nEnvironment=\"KUBELET_ARGS=--anonymous-auth=true --read-only-port=10255\"\n";
    let both = ["--anonymous-auth: true is added", "--read-only-port: 10255 is added"];
    check(DROP_IN, Format::Unit, None, Some(open), &both);
    check(UNIT, Format::Unit, None, Some(open), &both);
    check("/etc/default/kubelet", Format::Ini, None, Some("ARGS=\"--anonymous-auth=true\"\n"), &["--anonymous-auth"]);
    check(DROP_IN, Format::Unit, Some(open), None, &[]);
    let sandbox = "[Service]\nNoNewPrivileges=yes\nProtectSystem=strict\n";
    check(DROP_IN, Format::Unit, Some(sandbox), None, &["[Service] NoNewPrivileges", "[Service] ProtectSystem"]);
    check(UNIT, Format::Unit, Some(sandbox), None, &[]);
    check(DROP_IN, Format::Unit, None, Some(sandbox), &[]);
    let weak = "[Service]\nNoNewPrivileges=off\nCapabilityBoundingSet=CAP_SYS_ADMIN\n";
    check(
        DROP_IN,
        Format::Unit,
        None,
        Some(weak),
        &["[Service] CapabilityBoundingSet: CAP_SYS", "[Service] NoNewPrivileges"],
    );
    check(UNIT, Format::Unit, None, Some(weak), &[]);
    let anonymous = "kind: KubeletConfiguration\nauthentication: {anonymous: {enabled: true}}\n";
    check("/k.yaml", Format::Manifest, None, Some(anonymous), &["authentication.anonymous.enabled: true is added"]);
}

#[track_caller]
fn yaml(before: &str, after: &str, expected: &[&str]) {
    check("/c.yaml", Format::Manifest, Some(before), Some(after), expected);
}

#[test]
fn kubernetes_configuration_is_judged_by_kind() {
    let kubelet = |line: &str| format!("kind: KubeletConfiguration\n{line}\n");
    let weaker = [
        ("authentication: {anonymous: {enabled: false}}", "authentication: {anonymous: {enabled: true}}"),
        ("authentication: {webhook: {enabled: true}}", "authentication: {webhook: {enabled: false}}"),
        ("authentication: {x509: {clientCAFile: /ca}}", ""),
        ("authorization: {mode: Webhook}", "authorization: {mode: AlwaysAllow}"),
        ("readOnlyPort: 0", "readOnlyPort: 10255"),
        ("protectKernelDefaults: true", "protectKernelDefaults: false"),
        ("seccompDefault: true", ""),
        ("enableDebugFlagsHandler: false", "enableDebugFlagsHandler: true"),
        ("", "allowedUnsafeSysctls: [kernel.msg*]"),
        ("tlsMinVersion: VersionTLS13", "tlsMinVersion: VersionTLS12"),
        ("tlsCipherSuites: [A]", "tlsCipherSuites: [A, TLS_RSA_WITH_RC4_128_SHA]"),
    ];
    for (strong, weak) in weaker {
        assert_eq!(weakened("/k", Format::Manifest, Some(&kubelet(strong)), Some(&kubelet(weak))).len(), 1, "{weak}");
        yaml(&kubelet(weak), &kubelet(strong), &[]);
    }
    let security = |level: &str| {
        format!(
            "kind: AdmissionConfiguration\nplugins: [{{name: PodSecurity, configuration: {{defaults: {{enforce: {level}}}}}}}]\n"
        )
    };
    yaml(
        &security("restricted"),
        &security("privileged"),
        &["plugins[PodSecurity].configuration.defaults.enforce: from restricted"],
    );
    yaml(&security("baseline"), &security("restricted"), &[]);
    yaml(&security("baseline"), "kind: AdmissionConfiguration\nplugins: []\n", &["plugins[PodSecurity]"]);
}

#[test]
fn who_gets_in_without_a_name_is_judged_by_path() {
    let anonymous = |text: &str| format!("kind: AuthenticationConfiguration\nanonymous: {text}\n");
    let health = anonymous("{enabled: true, conditions: [{path: /livez}]}");
    let more = anonymous("{enabled: true, conditions: [{path: /livez}, {path: /metrics}]}");
    yaml(&health, &anonymous("{enabled: true}"), &["anonymous.conditions: everything is allowed"]);
    yaml(&health, &more, &["anonymous.conditions: /metrics is allowed"]);
    yaml(&anonymous("{enabled: false}"), &health, &["anonymous.conditions: /livez is allowed"]);
    yaml(&more, &health, &[]);
    yaml(&health, &anonymous("{enabled: false}"), &[]);
    yaml(&health, "kind: AuthenticationConfiguration\n", &["anonymous.conditions: everything"]);
    let authorizers = |text: &str| format!("kind: AuthorizationConfiguration\nauthorizers: [{text}]\n");
    yaml(&authorizers("{type: Node}, {type: RBAC}"), &authorizers("{type: RBAC}"), &["authorizers: Node is removed"]);
    yaml(
        &authorizers("{type: RBAC}"),
        &authorizers("{type: RBAC}, {type: AlwaysAllow}"),
        &["authorizers: AlwaysAllow"],
    );
}

#[test]
fn audit_rules_are_matched_by_what_they_are_for() {
    let policy = |rules: &str| format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{rules}]\n");
    let all = policy("{level: None, users: [a]}, {level: Request, verbs: [create]}, {level: Metadata}");
    yaml(&all, &policy("{level: None, users: [a]}, {level: Metadata}"), &["audit rules: Request of"]);
    yaml(
        &all,
        &all.replace("Request", "Metadata"),
        &["audit rules: {\"verbs\":[\"create\"]} from Request to Metadata"],
    );
    yaml(&all, &all.replace("{level: Metadata}", "{level: RequestResponse}"), &[]);
    yaml(&all, &all.replace("users: [a]", "users: [b]"), &["audit rules: {\"users\":[\"b\"]} is not logged"]);
    yaml(&all, &policy("{level: Request, verbs: [create]}, {level: Metadata}"), &[]);
}

#[test]
fn other_formats() {
    let sysctl =
        |before, after, expected: &[&str]| check("/etc/sysctl.d/k.conf", Format::Sysctl, before, after, expected);
    sysctl(Some("kernel.kptr_restrict = 2\n"), Some("kernel.kptr_restrict = 1\n"), &["kernel.kptr_restrict"]);
    sysctl(Some("kernel.kptr_restrict = 2\n"), None, &["kernel.kptr_restrict: 2 is removed"]);
    sysctl(None, Some("-net.ipv4.conf.all.accept_redirects=1\n"), &["net.ipv4.conf.all.accept_redirects"]);
    sysctl(None, Some("net.ipv4.conf.all.accept_redirects=0\nnet.ipv4.ip_forward=1\n"), &[]);
    let toml = |value: &str| format!("[plugins.runtime]\nprivileged_without_host_devices = {value}\n");
    check("/c.toml", Format::Toml, Some(&toml("true")), Some(&toml("false")), &["plugins.runtime.privileged_without"]);
    let pod = |lines: &str| format!("kind: Pod\nmetadata: {{name: p}}\nspec:\n  containers: [{{name: a, {lines}}}]\n");
    yaml(
        &pod("image: x"),
        &pod("securityContext: {privileged: true}"),
        &["Pod p: spec.containers[a].securityContext.privileged"],
    );
    yaml(&pod("command: [x, --profiling=false]"), &pod("command: [x, --profiling=true]"), &["--profiling: from false"]);
    check("/x", Format::Text, Some("NoNewPrivileges=yes"), Some(""), &[]);
}

/// Keys of a unit's sandbox that a recipe sets and nobody would notice going.
#[test]
fn every_sandbox_key_of_a_recipe_is_known() {
    const SANDBOX: [&str; 16] = [
        "Ambient",
        "Capability",
        "DevicePolicy",
        "IPAddress",
        "Inaccessible",
        "Keyring",
        "Lock",
        "MemoryDeny",
        "NoNew",
        "Private",
        "Protect",
        "ReadOnly",
        "RemoveIPC",
        "Restrict",
        "SystemCallF",
        "UMask",
    ];
    let mut seen = 0;
    for (path, bytes) in crate::recipe::built_in() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for key in text.lines().filter_map(|line| line.split_once('=').map(|(key, _)| key)) {
            // `Restart` and the like protect nothing.
            let is_sandbox = path.contains("/systemd/system/") && SANDBOX.iter().any(|start| key.starts_with(start));
            if is_sandbox || matches!(key, "User" | "SystemCallArchitectures") {
                seen += 1;
                assert!(table::of(&table::UNIT, key).is_some(), "{path}: {key} is in no table");
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn tables_are_sorted_out() {
    let tables: [&[table::Row]; 4] = [&table::UNIT, &table::FLAGS, &table::DOCUMENTS, &table::SYSCTLS];
    for rows in tables {
        let names: std::collections::BTreeSet<&str> = rows.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), rows.len(), "a setting has two rules");
    }
}
