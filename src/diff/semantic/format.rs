//! Which format a file has: told by its path, and by its first words where the path does not say.

/// How a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    X509,
    Unit,
    Ini,
    Yaml,
    Manifest,
    Kubeconfig,
    CloudInit,
    Json,
    Toml,
    Xml,
    Sysctl,
    Hosts,
    Text,
    /// A text too large to be read: told apart by size and digest.
    Large,
    Binary,
    /// No contents: a directory or a link.
    #[default]
    None,
}

/// By file name extension.
const EXTENSIONS: [(&str, Format); 24] = [
    ("service", Format::Unit),
    ("socket", Format::Unit),
    ("timer", Format::Unit),
    ("mount", Format::Unit),
    ("automount", Format::Unit),
    ("swap", Format::Unit),
    ("target", Format::Unit),
    ("path", Format::Unit),
    ("slice", Format::Unit),
    ("network", Format::Unit),
    ("netdev", Format::Unit),
    ("link", Format::Unit),
    ("yaml", Format::Yaml),
    ("yml", Format::Yaml),
    ("json", Format::Json),
    ("conflist", Format::Json),
    ("toml", Format::Toml),
    ("xml", Format::Xml),
    ("crt", Format::X509),
    ("pem", Format::X509),
    ("pub", Format::X509),
    ("ini", Format::Ini),
    ("env", Format::Ini),
    ("desktop", Format::Ini),
];

impl Format {
    /// As the JSON format writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X509 => "x509",
            Self::Unit => "unit",
            Self::Ini => "ini",
            Self::Yaml => "yaml",
            Self::Manifest => "manifest",
            Self::Kubeconfig => "kubeconfig",
            Self::CloudInit => "cloud-init",
            Self::Json => "json",
            Self::Toml => "toml",
            Self::Xml => "xml",
            Self::Sysctl => "sysctl",
            Self::Hosts => "hosts",
            Self::Text | Self::Large => "text",
            Self::Binary => "binary",
            Self::None => "",
        }
    }

    /// The format of a text at `path`.
    pub fn of(path: &str, text: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        if text.starts_with("-----BEGIN CERTIFICATE") || text.starts_with("-----BEGIN PUBLIC KEY") {
            return Self::X509;
        }
        if path == "/etc/hosts" {
            return Self::Hosts;
        }
        if path.starts_with("/etc/sysctl.d/") || path.starts_with("/usr/lib/sysctl.d/") || path == "/etc/sysctl.conf" {
            return Self::Sysctl;
        }
        if path.starts_with("/var/lib/cloud/seed/") || path.starts_with("/etc/cloud/") {
            return Self::CloudInit;
        }
        let known = EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, format)| *format);
        match known {
            Some(Self::Yaml) => Self::yaml(text),
            Some(format) => format,
            None => Self::by_contents(path, extension, text),
        }
    }

    fn yaml(text: &str) -> Self {
        let has = |key: &str| text.lines().any(|line| line.starts_with(key));
        match has("apiVersion:") && has("kind:") {
            true if has("kind: Config") && has("clusters:") && has("users:") => Self::Kubeconfig,
            true => Self::Manifest,
            false => Self::Yaml,
        }
    }

    fn by_contents(path: &str, extension: &str, text: &str) -> Self {
        let first = text.lines().find(|line| !line.trim().is_empty() && !is_comment(line)).unwrap_or_default();
        match first {
            _ if first.starts_with("apiVersion:") => Self::yaml(text),
            _ if first.starts_with("<?xml") || first.starts_with("<domain") || first.starts_with("<network") => {
                Self::Xml
            }
            _ if first.starts_with('{') => Self::Json,
            _ if path.starts_with("/etc/crio/") => Self::Toml,
            _ if first.starts_with('[') && path.starts_with("/etc/systemd/") => Self::Unit,
            _ if first.starts_with('[') && matches!(extension, "conf" | "cfg") => Self::Ini,
            _ if path.starts_with("/etc/default/") => Self::Ini,
            _ => Self::Text,
        }
    }

    /// What starts a comment line, where the format has such lines.
    pub fn comment_marks(self) -> &'static [char] {
        match self {
            Self::Unit | Self::Ini => &['#', ';'],
            Self::Yaml | Self::Manifest | Self::Kubeconfig | Self::CloudInit | Self::Toml => &['#'],
            Self::Sysctl => &['#', ';'],
            Self::Hosts => &['#'],
            _ => &[],
        }
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}
