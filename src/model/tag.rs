//! Tags: what people stick to keys to find them again. They decide nothing.

/// One tag of a key. A key has one value for each tag key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// What is told of the key.
    pub key: String,
    /// What is so of it; may be empty.
    pub value: String,
}

/// Which keys are searched for: those to which all of this applies.
#[derive(Clone, Debug, Default)]
pub struct TagSearch {
    /// Tags that the key must have, each with one of the values, or with any if there are none.
    pub tags: Vec<(String, Vec<String>)>,
    /// Texts that its name must contain, whatever their capitals.
    pub name_contains: Vec<String>,
}
