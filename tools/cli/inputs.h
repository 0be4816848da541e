#pragma once

#include <span>
#include <string>
#include <vector>

namespace sterna::cli {

/// Turns what was named on a command line into single pictures, in order:
///   a folder     every picture in it and below, sorted by name; links to folders are followed,
///                each folder once; hidden files are left out
///   a pattern    photos/*.jpg, if no file is called that (a shell did not expand it)
///   @FILE        the names in a list, one a line
///   -            the names on standard input, one a line
///   a file       itself, whether it exists or not: reading it tells
/// Names from lists go through the same rules, but for @ and -. A folder without a picture stays
/// as it is, so that it is reported. Names are bytes, not text. Throws Error for a list that can't
/// be read.
std::vector<std::string> expand_inputs(std::span<const std::string> names, char separator = '\n');

/// The lines of a file, or ("-") of standard input; a carriage return before the newline goes too,
/// and so does the byte order mark that Windows' editors put before UTF-8.
std::vector<std::string> read_lines(const std::string& file, char separator = '\n');

/// Whether a file in a folder is taken for a picture: by its extension or, if it has none, by its
/// first bytes.
bool looks_like_picture(const std::string& path);

/// Whether the name ends like a picture's.
bool has_picture_extension(const std::string& path);

}  // namespace sterna::cli
