#[record(tag_width = 16)]
enum Status {
    Open,
    #[record(tag = 10)]
    Closed { at: Timestamp },
    Moved(String, u8),
}
