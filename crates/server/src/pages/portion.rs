//! The part of a long list that a page shows: where it begins stands in the
//! address, and a pager leads to the parts around it.

use assay_domain::format;
use assay_store::{Error, Record, RecordQuery, Records};
use assay_ui::web::parts::Pager;

use super::state::State;
use crate::extract::Params;

/// A part of at most `size` entries, from an offset on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// The parameter that says where it begins.
    name: &'static str,
    offset: usize,
    size: usize,
}

impl Portion {
    /// What is no number is the beginning.
    pub(super) fn read(params: &Params, name: &'static str, size: usize) -> Self {
        Self { name, offset: params.parse(name).ok().flatten().unwrap_or_default(), size }
    }

    /// The same, or the last part where the list ends before: some of it may be deleted by now.
    pub(super) fn within(self, total: usize) -> Self {
        let last = total.saturating_sub(1) / self.size.max(1) * self.size;
        Self { offset: if self.offset < total { self.offset } else { last }, ..self }
    }

    /// Its places in a list of so many.
    pub(super) fn places(&self, total: usize) -> std::ops::Range<usize> {
        let Self { offset, .. } = self.within(total);
        offset..offset.saturating_add(self.size).min(total)
    }

    /// Its entries of a whole list.
    pub(super) fn of<T>(&self, all: Vec<T>) -> Vec<T> {
        let places = self.places(all.len());
        all.into_iter().skip(places.start).take(places.len()).collect()
    }

    /// Its records, read alone, and how many there are.
    pub(super) async fn records(
        &self,
        store: &impl Records,
        query: RecordQuery,
    ) -> Result<(Vec<Record>, usize), Error> {
        let total = store.records(&RecordQuery { without_bodies: true, ..query.clone() }).await?.len();
        let places = self.places(total);
        if places.is_empty() {
            return Ok((Vec::new(), total));
        }
        let query = RecordQuery { offset: places.start, limit: places.len(), ..query };
        Ok((store.records(&query).await?, total))
    }

    /// Links to the parts around it: `href` leads to where one begins, `unit` is what is listed, as one and as many.
    pub(super) fn pager(&self, href: impl Fn(usize) -> String, total: usize, unit: (&str, &str)) -> Pager {
        let places = self.places(total);
        Pager {
            label: format!("Pages of {}", unit.1),
            previous: if places.start > 0 {
                href(places.start.saturating_sub(self.size))
            } else {
                String::new()
            },
            next: if places.end < total { href(places.end) } else { String::new() },
            shown: match total {
                1 => format!("1 {}", unit.0),
                _ if places.len() == total => format!("{} {}", format::count(total), unit.1),
                _ => format!(
                    "{}–{} of {} {}",
                    format::count(places.start + 1),
                    format::count(places.end),
                    format::count(total),
                    unit.1
                ),
            },
        }
    }

    /// The same for a page with more in its address; `anchor` is where on the page the list is, such as `#configs`.
    pub(super) fn pager_of(&self, state: &State, anchor: &str, total: usize, unit: (&str, &str)) -> Pager {
        let href = |offset: usize| {
            let said = if offset == 0 { String::new() } else { offset.to_string() };
            state.with(&[(self.name, said.as_str())]).href() + anchor
        };
        self.pager(href, total, unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portion(query: &str) -> Portion {
        Portion::read(&Params::read(query), "offset", 20)
    }

    fn told(query: &str, total: usize) -> (String, String, String) {
        let state = State {
            path: "/x".into(),
            parts: "/x".into(),
            pairs: vec![("q".into(), "a b".into()), ("offset".into(), "7".into())],
        };
        let Pager { previous, next, shown, .. } =
            portion(query).pager_of(&state, "#list", total, ("key", "keys"));
        (previous, next, shown)
    }

    #[test]
    fn a_pager_leads_to_every_part_and_keeps_what_else_the_address_says() {
        let of = |previous: &str, next: &str, shown: &str| (previous.into(), next.into(), shown.into());
        assert_eq!(told("", 0), of("", "", "0 keys"));
        assert_eq!(told("", 1), of("", "", "1 key"));
        assert_eq!(told("", 20), of("", "", "20 keys"));
        assert_eq!(told("", 21), of("", "/x?q=a+b&offset=20#list", "1–20 of 21 keys"));
        assert_eq!(told("offset=20", 41), of("/x?q=a+b#list", "/x?q=a+b&offset=40#list", "21–40 of 41 keys"));
        assert_eq!(told("offset=40", 1_041).2, "41–60 of 1,041 keys");
    }

    #[test]
    fn what_lies_behind_the_end_is_the_last_part() {
        assert_eq!(portion("offset=40").of((0..45).collect::<Vec<_>>()), [40, 41, 42, 43, 44]);
        assert_eq!(portion("offset=40").places(40), 20..40);
        assert_eq!(portion("offset=99999999999999999999").places(5), 0..5);
        assert_eq!(portion("offset=18446744073709551615").places(5), 0..5);
        assert_eq!(portion("offset=-1").places(45), 0..20);
        assert!(portion("offset=20").places(0).is_empty());
    }
}
