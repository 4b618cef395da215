"""The stories, by subject. Each is a function of one `Story`; its first line says what it is about."""
