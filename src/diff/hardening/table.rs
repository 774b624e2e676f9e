//! The protections as data: systemd.exec(5), the Kubernetes and etcd references, the kernel's documentation.

use super::rule::Rule;

/// A setting's name and how it protects.
pub type Row = (&'static str, Rule);

pub fn of(table: &'static [Row], name: &str) -> Option<&'static Rule> {
    table.iter().find(|(known, _)| *known == name).map(|(_, rule)| rule)
}

const ON: Rule = Rule::Switch { good: true, absent: false };
const OFF: Rule = Rule::Switch { good: false, absent: false };
/// On where nothing is said.
const KEPT: Rule = Rule::Switch { good: true, absent: true };
/// Off has to be said.
const SILENCED: Rule = Rule::Switch { good: false, absent: true };
const TLS: Rule =
    Rule::Order { weakest_first: &["VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"], absent: 2 };
const HIGHER: Rule = Rule::Number { higher_is_safer: true, absent: 0 };
const LOWER: Rule = Rule::Number { higher_is_safer: false, absent: 1 };
/// None is safest; an old default is 10255.
const PORT: Rule = Rule::Number { higher_is_safer: false, absent: 10_255 };
const CIPHERS: Rule = Rule::Items { keep: &[], never: &INSECURE };
const AUTHORIZERS: Rule = Rule::Items { keep: &["Node", "RBAC", "Webhook"], never: &["AlwaysAllow", "ABAC"] };

/// What Go's crypto/tls calls insecure.
const INSECURE: [&str; 12] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// systemd.exec(5), systemd.resource-control(5).
pub const UNIT: [Row; 43] = [
    ("AmbientCapabilities", Rule::Grants),
    ("CapabilityBoundingSet", Rule::Allows),
    ("DevicePolicy", Rule::Order { weakest_first: &["auto", "closed", "strict"], absent: 0 }),
    ("DynamicUser", ON),
    ("Group", Rule::Other(&["root", "0"])),
    ("IPAddressDeny", Rule::Denies),
    ("InaccessiblePaths", Rule::Denies),
    ("KeyringMode", Rule::Order { weakest_first: &["shared", "inherit", "private"], absent: 2 }),
    ("LockPersonality", ON),
    ("MemoryDenyWriteExecute", ON),
    ("NoExecPaths", Rule::Denies),
    ("NoNewPrivileges", ON),
    ("PrivateDevices", ON),
    ("PrivateIPC", ON),
    ("PrivateMounts", ON),
    ("PrivateNetwork", ON),
    ("PrivateTmp", Rule::Order { weakest_first: BOOLEAN_OR_MORE, absent: 0 }),
    ("PrivateUsers", Rule::Order { weakest_first: BOOLEAN_OR_MORE, absent: 0 }),
    ("ProcSubset", Rule::Order { weakest_first: &["all", "pid"], absent: 0 }),
    ("ProtectClock", ON),
    ("ProtectControlGroups", Rule::Order { weakest_first: BOOLEAN_OR_MORE, absent: 0 }),
    (
        "ProtectHome",
        Rule::Order { weakest_first: &["no|false|0|off|n|f", "read-only", "tmpfs", "yes|true|1|on|y|t"], absent: 0 },
    ),
    ("ProtectHostname", Rule::Order { weakest_first: BOOLEAN_OR_MORE, absent: 0 }),
    ("ProtectKernelLogs", ON),
    ("ProtectKernelModules", ON),
    ("ProtectKernelTunables", ON),
    ("ProtectProc", Rule::Order { weakest_first: &["default", "ptraceable", "invisible", "noaccess"], absent: 0 }),
    (
        "ProtectSystem",
        Rule::Order { weakest_first: &["no|false|0|off|n|f", "yes|true|1|on|y|t", "full", "strict"], absent: 0 },
    ),
    ("ReadOnlyPaths", Rule::Denies),
    ("ReadWritePaths", Rule::Grants),
    ("RemoveIPC", ON),
    ("RestrictAddressFamilies", Rule::Allows),
    ("RestrictFileSystems", Rule::Allows),
    ("RestrictNamespaces", Rule::Allows),
    ("RestrictNetworkInterfaces", Rule::Allows),
    ("RestrictRealtime", ON),
    ("RestrictSUIDSGID", ON),
    ("SupplementaryGroups", Rule::Grants),
    ("SystemCallArchitectures", Rule::Allows),
    ("SystemCallFilter", Rule::Allows),
    ("TemporaryFileSystem", Rule::Denies),
    ("UMask", Rule::Number { higher_is_safer: true, absent: 0o022 }),
    ("User", Rule::Other(&["root", "0"])),
];

/// Booleans that newer versions have more words for, all of which protect.
const BOOLEAN_OR_MORE: &[&str] =
    &["no|false|0|off|n|f", "yes|true|1|on|y|t|connected|disconnected|self|identity|full|private|strict"];

/// kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, etcd.
pub const FLAGS: [Row; 40] = [
    ("--admission-control-config-file", Rule::Set),
    ("--anonymous-auth", SILENCED),
    ("--audit-log-path", Rule::Set),
    ("--audit-policy-file", Rule::Set),
    ("--authentication-config", Rule::Set),
    ("--authorization-config", Rule::Set),
    ("--authorization-mode", AUTHORIZERS),
    ("--auto-tls", OFF),
    ("--cert-file", Rule::Set),
    ("--client-ca-file", Rule::Set),
    ("--client-cert-auth", ON),
    ("--contention-profiling", OFF),
    ("--disable-admission-plugins", Rule::Grants),
    (
        "--enable-admission-plugins",
        Rule::Items {
            keep: &[
                "AlwaysPullImages",
                "DenyServiceExternalIPs",
                "EventRateLimit",
                "ImagePolicyWebhook",
                "NodeRestriction",
                "PodSecurity",
            ],
            never: &["AlwaysAdmit"],
        },
    ),
    ("--enable-bootstrap-token-auth", OFF),
    ("--encryption-provider-config", Rule::Set),
    ("--etcd-cafile", Rule::Set),
    ("--insecure-skip-tls-verify", OFF),
    ("--kubelet-certificate-authority", Rule::Set),
    ("--make-iptables-util-chains", KEPT),
    ("--peer-auto-tls", OFF),
    ("--peer-cert-file", Rule::Set),
    ("--peer-client-cert-auth", ON),
    ("--peer-trusted-ca-file", Rule::Set),
    ("--profiling", SILENCED),
    ("--protect-kernel-defaults", ON),
    ("--read-only-port", PORT),
    ("--requestheader-allowed-names", Rule::Allows),
    ("--requestheader-client-ca-file", Rule::Set),
    ("--rotate-certificates", ON),
    ("--seccomp-default", ON),
    ("--service-account-extend-token-expiration", SILENCED),
    ("--service-account-lookup", KEPT),
    ("--tls-cert-file", Rule::Set),
    ("--tls-cipher-suites", CIPHERS),
    ("--tls-min-version", TLS),
    ("--token-auth-file", Rule::Grants),
    ("--trusted-ca-file", Rule::Set),
    ("--use-service-account-credentials", ON),
    ("--cipher-suites", CIPHERS),
];

/// Ends of paths: KubeletConfiguration, PodSecurityConfiguration, pods, containerd, kubeconfigs; and what
/// [`super::document`] makes of authentication and authorization.
pub const DOCUMENTS: [Row; 33] = [
    ("anonymous.conditions", Rule::Allows),
    ("anonymous.enabled", OFF),
    ("authorizers", AUTHORIZERS),
    ("authentication.webhook.enabled", KEPT),
    ("x509.clientCAFile", Rule::Set),
    ("authorization.mode", Rule::Order { weakest_first: &["AlwaysAllow", "Webhook"], absent: 1 }),
    ("readOnlyPort", PORT),
    ("protectKernelDefaults", ON),
    ("seccompDefault", ON),
    ("enableDebugFlagsHandler", SILENCED),
    ("enableDebuggingHandlers", SILENCED),
    ("enableProfilingHandler", SILENCED),
    ("enableSystemLogHandler", SILENCED),
    ("makeIPTablesUtilChains", KEPT),
    ("allowedUnsafeSysctls", Rule::Grants),
    ("tlsMinVersion", TLS),
    ("tlsCipherSuites", CIPHERS),
    ("tlsCertFile", Rule::Set),
    ("defaults.enforce", Rule::Order { weakest_first: &["privileged", "baseline", "restricted"], absent: 0 }),
    ("exemptions.namespaces", Rule::Grants),
    ("exemptions.runtimeClasses", Rule::Grants),
    ("exemptions.usernames", Rule::Grants),
    ("securityContext.privileged", Rule::Never(&["true"])),
    ("securityContext.allowPrivilegeEscalation", Rule::Never(&["true"])),
    ("securityContext.runAsNonRoot", Rule::Never(&["false"])),
    ("securityContext.readOnlyRootFilesystem", Rule::Never(&["false"])),
    ("capabilities.add", Rule::Grants),
    ("hostNetwork", Rule::Never(&["true"])),
    ("hostPID", Rule::Never(&["true"])),
    ("hostIPC", Rule::Never(&["true"])),
    ("privileged_without_host_devices", ON),
    ("insecure-skip-tls-verify", OFF),
    ("skip_verify", OFF),
];

/// The kernel's documentation, admin-guide/sysctl and networking/ip-sysctl.
pub const SYSCTLS: [Row; 23] = [
    ("fs.protected_fifos", HIGHER),
    ("fs.protected_hardlinks", HIGHER),
    ("fs.protected_regular", HIGHER),
    ("fs.protected_symlinks", HIGHER),
    ("fs.suid_dumpable", Rule::Number { higher_is_safer: false, absent: 0 }),
    ("kernel.dmesg_restrict", HIGHER),
    ("kernel.kexec_load_disabled", HIGHER),
    ("kernel.kptr_restrict", HIGHER),
    ("kernel.perf_event_paranoid", HIGHER),
    ("kernel.randomize_va_space", HIGHER),
    ("kernel.sysrq", LOWER),
    ("kernel.unprivileged_bpf_disabled", HIGHER),
    ("kernel.yama.ptrace_scope", HIGHER),
    ("net.core.bpf_jit_harden", HIGHER),
    ("net.ipv4.conf.all.accept_redirects", LOWER),
    ("net.ipv4.conf.all.accept_source_route", LOWER),
    ("net.ipv4.conf.all.rp_filter", HIGHER),
    ("net.ipv4.conf.all.send_redirects", LOWER),
    ("net.ipv4.conf.default.accept_redirects", LOWER),
    ("net.ipv4.conf.default.accept_source_route", LOWER),
    ("net.ipv4.conf.default.rp_filter", HIGHER),
    ("net.ipv4.tcp_syncookies", HIGHER),
    ("net.ipv6.conf.all.accept_redirects", LOWER),
];
