pub struct Line(String, u32);
