//! Merges the partitions of an index into one list. Pure: whoever has it reads the pages that it asks for.

use std::collections::VecDeque;

use crate::schema::Index;

/// Entries read beyond the share of one of many partitions, because shares are never quite even.
const SHARE_SLACK: usize = 8;

/// One partition of an index, read page by page.
pub(crate) struct Source {
    pub(crate) index: &'static Index,
    pub(crate) part: String,
    /// Everything up to here has been read; nothing that is still to come is at or before it.
    pub(crate) from: String,
    found: VecDeque<String>,
    done: bool,
}

impl Source {
    pub(crate) fn new(index: &'static Index, part: String, from: &str) -> Source {
        Source {
            index,
            part,
            from: from.to_owned(),
            found: VecDeque::new(),
            done: false,
        }
    }
}

/// Sort keys of one page of a partition, and where it ended, unless the partition did.
pub(crate) struct Read {
    pub(crate) keys: Vec<String>,
    pub(crate) upto: Option<String>,
}

/// The first `limit` sort keys of several partitions together, each once.
pub(crate) struct Merge {
    sources: Vec<Source>,
    /// How many of the sources hold the living; they come first.
    live: usize,
    limit: usize,
    keys: Vec<String>,
    /// How many partitions of the past to read at once. It doubles: most pages need few of them, the last many.
    width: usize,
}

/// A page of sort keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proposed {
    pub(crate) keys: Vec<String>,
    pub(crate) next: Option<String>,
}

impl Merge {
    pub(crate) fn new(live: Vec<Source>, past: Vec<Source>, limit: usize) -> Merge {
        Merge {
            live: live.len(),
            sources: live.into_iter().chain(past).collect(),
            limit,
            keys: Vec::new(),
            width: 1,
        }
    }

    /// The sources that must be read before the list can go on; none when the page is full or everything is read.
    /// The living are read before the past: what ends meanwhile is then seen in both rather than in neither.
    pub(crate) fn wanted(&mut self) -> Vec<usize> {
        self.advance();
        if self.keys.len() >= self.limit {
            return Vec::new();
        }
        let first = self.first().map(|(_, key)| key.clone());
        let blocks = |number: &usize| {
            let source = &self.sources[*number];
            source.is_unknown() && first.as_ref().is_none_or(|first| source.from < *first)
        };
        let live: Vec<usize> = (0..self.live).filter(blocks).collect();
        if !live.is_empty() {
            return live;
        }
        let mut past: Vec<usize> = (self.live..self.sources.len()).filter(blocks).collect();
        past.sort_by(|one, other| self.sources[*one].from.cmp(&self.sources[*other].from));
        past.truncate(self.width);
        self.width *= 2;
        past
    }

    pub(crate) fn source(&self, number: usize) -> &Source {
        &self.sources[number]
    }

    /// How many entries of this source to read next.
    pub(crate) fn page_of(&self, number: usize) -> usize {
        let left = self.limit - self.keys.len();
        if number < self.live && self.live > 1 {
            2 * left.div_ceil(self.live) + SHARE_SLACK
        } else {
            left + 1
        }
    }

    /// Takes up what was read of a source.
    pub(crate) fn fill(&mut self, number: usize, read: Read) {
        let source = &mut self.sources[number];
        source.found.extend(read.keys);
        match read.upto {
            Some(upto) => source.from = upto,
            None => source.done = true,
        }
    }

    /// The page as far as it has come. It can be short when reading was given up; its `next` goes on from there.
    pub(crate) fn finish(mut self) -> Proposed {
        self.advance();
        let unknown = self.sources.iter().filter(|source| source.is_unknown());
        let frontier = unknown.map(|source| source.from.as_str()).min();
        let more = self
            .sources
            .iter()
            .any(|source| !source.done || !source.found.is_empty());
        let next = match self.keys.last() {
            Some(last) if self.keys.len() >= self.limit => more.then(|| last.clone()),
            _ => frontier.map(str::to_owned),
        };
        Proposed { keys: self.keys, next }
    }

    /// Moves on as far as every source is known.
    fn advance(&mut self) {
        while self.keys.len() < self.limit
            && let Some((number, key)) = self.first()
        {
            let mut unknown = self.sources.iter().filter(|source| source.is_unknown());
            if unknown.any(|source| source.from < *key) {
                return;
            }
            let key = key.clone();
            self.sources[number].found.pop_front();
            if self.keys.last() != Some(&key) {
                self.keys.push(key);
            }
        }
    }

    fn first(&self) -> Option<(usize, &String)> {
        let heads = self.sources.iter().enumerate();
        heads
            .filter_map(|(number, source)| Some((number, source.found.front()?)))
            .min_by_key(|(_, key)| *key)
    }
}

impl Source {
    /// Whether what comes next in it has not been read yet.
    fn is_unknown(&self) -> bool {
        !self.done && self.found.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::LIST;

    /// Reads `parts` as an index would, in pages of at most `page`, and gives the merged page and how often it read.
    fn merged(parts: &[&[&str]], live: usize, limit: usize, from: &str, page: usize) -> (Proposed, usize) {
        let source = |part: usize| Source::new(&LIST, part.to_string(), from);
        let mut merge = Merge::new(
            (0..live).map(source).collect(),
            (live..parts.len()).map(source).collect(),
            limit,
        );
        let mut reads = 0;
        loop {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                return (merge.finish(), reads);
            }
            for number in wanted {
                reads += 1;
                let from = merge.source(number).from.clone();
                let page = merge.page_of(number).min(page);
                let rest = parts[number].iter().filter(|key| ***key > *from);
                let keys: Vec<String> = rest.clone().take(page).map(|key| (*key).to_owned()).collect();
                let upto = (rest.count() >= page).then(|| keys.last().cloned()).flatten();
                merge.fill(number, Read { keys, upto });
            }
        }
    }

    fn whole(parts: &[&[&str]], live: usize, limit: usize, page: usize) -> Vec<String> {
        let (mut from, mut all) = ("0".to_owned(), Vec::new());
        for _ in 0..100 {
            let (proposed, _) = merged(parts, live, limit, &from, page);
            assert!(proposed.keys.len() <= limit);
            all.extend(proposed.keys);
            match proposed.next {
                Some(next) => from = next,
                None => return all,
            }
        }
        panic!("the list has no end");
    }

    #[test]
    fn pages_of_any_size_give_everything_once_and_in_order() {
        let parts: [&[&str]; 4] = [&["1", "4", "9"], &["2", "3", "5"], &["4", "6", "7", "8"], &[]];
        for limit in 1..=11 {
            for page in 1..=4 {
                let all = whole(&parts, 2, limit, page);
                assert_eq!(all.concat(), "123456789", "limit {limit}, page {page}");
            }
        }
    }

    #[test]
    fn the_past_is_not_read_where_the_living_fill_the_page() {
        let past = Source::new(&LIST, "past".to_owned(), "5");
        let live = Source::new(&LIST, "live".to_owned(), "0");
        let mut merge = Merge::new(vec![live], vec![past], 2);
        assert_eq!(merge.wanted(), [0]);
        merge.fill(
            0,
            Read {
                keys: vec!["1".into(), "2".into(), "3".into()],
                upto: Some("3".into()),
            },
        );
        assert!(merge.wanted().is_empty());
        let next = Some("2".to_owned());
        assert_eq!(
            merge.finish(),
            Proposed {
                keys: vec!["1".into(), "2".into()],
                next
            }
        );
    }

    #[test]
    fn a_page_that_was_given_up_goes_on_where_it_is_known_to() {
        let mut merge = Merge::new(vec![Source::new(&LIST, "live".to_owned(), "0")], Vec::new(), 10);
        assert_eq!(merge.wanted(), [0]);
        let upto = Some("7".to_owned());
        merge.fill(
            0,
            Read {
                keys: vec![],
                upto: upto.clone(),
            },
        );
        assert_eq!(merge.wanted(), [0]);
        assert_eq!(
            merge.finish(),
            Proposed {
                keys: vec![],
                next: upto
            }
        );
    }
}
