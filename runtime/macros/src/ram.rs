//! The RAM that a model's functions take: an arena, or one for each region that it was planned for. Not what they do.

use std::ops::Range;

use mote_format::{Model, TensorInfo};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// One arena, or several.
pub(crate) struct Ram(Vec<Piece>);

struct Piece {
    /// What the parameter is called.
    name: Ident,
    /// The constant that says how many bytes it needs.
    least: Ident,
    /// Its region's name.
    region: String,
    range: Range<usize>,
}

impl Ram {
    pub(crate) fn new(model: &Model<'_>) -> Self {
        let named = model.named_regions().zip(model.regions());
        let pieces: Vec<Piece> = named
            .map(|(region, range)| Piece {
                name: format_ident!("arena_{}", region.name),
                least: format_ident!("ARENA_{}", region.name.to_uppercase()),
                region: region.name.to_owned(),
                range,
            })
            .collect();
        if pieces.len() > 1 {
            return Self(pieces);
        }
        let (name, least) = (format_ident!("arena"), format_ident!("ARENA"));
        Self(vec![Piece { name, least, region: String::new(), range: 0..model.arena_bytes() }])
    }

    /// The parameters' names.
    pub(crate) fn names(&self) -> Vec<&Ident> {
        self.0.iter().map(|piece| &piece.name).collect()
    }

    /// What is generic in a function of all of them, beside a lifetime `'a`; and the parameters.
    pub(crate) fn parameters(&self) -> (TokenStream, TokenStream) {
        let (names, lengths) = (self.names(), self.lengths());
        (quote!(#(const #lengths: usize),*), quote!(#(#names: &'a mut Arena<#lengths>),*))
    }

    fn lengths(&self) -> Vec<Ident> {
        (0..self.0.len()).map(|i| format_ident!("N{i}")).collect()
    }

    /// The slices that a session takes.
    pub(crate) fn slices(&self) -> TokenStream {
        let names = self.names();
        let least = self.0.iter().map(|piece| &piece.least);
        let fits =
            self.names().into_iter().zip(self.lengths()).map(|(name, length)| self.fits(name, &length));
        quote!([ #({ #fits &mut #names.0[..Self::#least] }),* ])
    }

    /// Refuses to compile where an arena, which has `length` bytes, is too small.
    pub(crate) fn fits(&self, name: &Ident, length: &Ident) -> TokenStream {
        let piece = self.0.iter().find(|piece| piece.name == *name);
        piece.map_or_else(TokenStream::new, |Piece { name, least, .. }| {
            let what = name.to_string().replace('_', " ");
            let message = format!("the {what} is smaller than the model's {least}");
            quote!(const { assert!(#length >= Self::#least, #message) };)
        })
    }

    /// Where a tensor lies: its arena, and the offset there.
    pub(crate) fn place(&self, tensor: &TensorInfo) -> (&Ident, usize) {
        let range = tensor.range();
        let holds = |piece: &&Piece| piece.range.start <= range.start && range.end <= piece.range.end;
        let piece = self.0.iter().find(holds).unwrap_or(&self.0[0]);
        (&piece.name, range.start - piece.range.start)
    }

    /// The constants that say how many bytes each region needs.
    pub(crate) fn constants(&self) -> TokenStream {
        let several = self.0.iter().filter(|piece| !piece.region.is_empty());
        let constants = several.map(|Piece { least, region, range, .. }| {
            let (doc, bytes) = (format!("Bytes of RAM in the region `{region}`."), range.len());
            quote!(#[doc = #doc] pub const #least: usize = #bytes;)
        });
        constants.collect()
    }
}
