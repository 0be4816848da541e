#include <doctest/doctest.h>
#include <sterna/language/lower_case.h>

using sterna::language::lower_case;

TEST_CASE("lower case is Unicode's full mapping, and what is no UTF-8 stays") {
  CHECK(lower_case("").empty());
  CHECK(lower_case("Two DOGS, 3!") == "two dogs, 3!");
  CHECK(lower_case("ÅNGSTRÖM ПРИВЕТ ΣΑΣ ẞ") == "ångström привет σασ ß");
  CHECK(lower_case("İ") == "i\xCC\x87");  // two code points
  CHECK(lower_case("東京 😀") == "東京 😀");
  CHECK(lower_case("A\xFF\xC3 B\xE2\x82") == "a\xFF\xC3 b\xE2\x82");
}
