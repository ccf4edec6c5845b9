//! The bytes of DNS messages: numbers, headers, questions.
