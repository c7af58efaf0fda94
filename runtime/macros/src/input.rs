//! What the user writes: `pub Kws = "kws.mote", ram = 16_384, flash = 65_536`, with attributes in front if there are
//! any. Not what it means.

use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, LitInt, LitStr, Token, Visibility};

/// One use of the macro.
pub(crate) struct Input {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) file: LitStr,
    pub(crate) budgets: Vec<Budget>,
}

/// A memory whose size is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    Ram,
    Flash,
}

/// The most that a model may take of one memory.
pub(crate) struct Budget {
    pub(crate) memory: Memory,
    pub(crate) bytes: usize,
    pub(crate) span: Span,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let (visibility, name) = (input.parse()?, input.parse()?);
        input.parse::<Token![=]>()?;
        let file = input.parse()?;
        let mut budgets = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                budgets.push(input.parse()?);
            }
        }
        Ok(Self { attributes, visibility, name, file, budgets })
    }
}

impl Parse for Budget {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key: Ident = input.parse()?;
        let memory = match key.to_string().as_str() {
            "ram" => Memory::Ram,
            "flash" => Memory::Flash,
            _ => return Err(syn::Error::new(key.span(), "expected `ram` or `flash`")),
        };
        input.parse::<Token![=]>()?;
        let bytes: LitInt = input.parse()?;
        Ok(Self { memory, bytes: bytes.base10_parse()?, span: bytes.span() })
    }
}

impl Input {
    /// The variable of the environment that the path starts with.
    pub(crate) fn variable(&self) -> Option<String> {
        let written = self.file.value();
        Some(written.strip_prefix('$')?.split('/').next()?.to_owned())
    }

    /// The file: `$NAME` in front is a variable of the environment, such as `$OUT_DIR`; other relative paths start
    /// where the source file lies, as those of `include_bytes!` do.
    pub(crate) fn path(&self) -> syn::Result<PathBuf> {
        let written = self.file.value();
        let refuse = |text: String| syn::Error::new(self.file.span(), text);
        let path = if let Some(name) = self.variable() {
            let start = std::env::var_os(&name).ok_or_else(|| refuse(format!("${name} is not set")))?;
            let rest = written[1 + name.len()..].trim_start_matches('/');
            if rest.is_empty() { PathBuf::from(start) } else { Path::new(&start).join(rest) }
        } else if Path::new(&written).is_absolute() {
            PathBuf::from(&written)
        } else {
            let source = self.file.span().unwrap().local_file();
            source.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).join(&written)
        };
        path.canonicalize().map_err(|e| {
            refuse(format!("cannot read {}: {e}\nremedy: `mote convert` makes it", path.display()))
        })
    }
}
