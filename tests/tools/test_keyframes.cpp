#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "watch/keyframes.h"
#include "watch_script.h"

using namespace sterna;
using namespace sterna::cli;
using namespace sterna::test;

TEST_CASE("keyframes: the middle of each segment, in bounded memory") {
  Keyframes keyframes(8, 8);
  for (size_t i = 0; i < 1000; ++i) keyframes.add({i, i * 10, nullptr});
  const auto middle = keyframes.take(0, 1000);
  CHECK(std::abs(static_cast<double>(middle.number) - 500) <= 130);
  CHECK(middle.index == middle.number * 10);
  CHECK_FALSE(middle.thumbnail);
  for (size_t i = 1000; i < 1005; ++i) keyframes.add({i, i * 10, nullptr});
  CHECK(keyframes.take(1000, 3).number == 1001);
  CHECK(keyframes.take(1003, 2).number == 1004);
  keyframes.add({1005, 10050, nullptr});
  CHECK(keyframes.take(1006, 4).number == 1005);  // none of its own: the last one there is

  History<size_t> history(64);
  for (size_t i = 0; i < 100000; ++i) {
    history.add(i, i / 3);
    CHECK(history.size() <= 64);
  }
  const auto* whole = history.nearest(50000, 50003, 50001);
  REQUIRE(whole != nullptr);
  CHECK(whole->last == whole->first + 2);
}

TEST_CASE("keyframes: a long scene costs those after it neither frame nor thumbnail") {
  for (const bool still : {false, true}) {
    CAPTURE(still);
    Keyframes keyframes(256, 64);
    const auto thumbnail = [](uint8_t level) {
      return std::make_shared<const vision::Image>(picture(1, level));
    };
    size_t number = 0;
    const auto scene = [&](size_t frames, uint8_t level) {
      const auto shared = thumbnail(level);
      for (size_t i = 0; i < frames; ++i, ++number)
        keyframes.add({number, number + 7, still ? shared : thumbnail(level)});
    };
    scene(5000, 10);  // is told when frames of the next three have come
    scene(5, 20);
    scene(1, 30);
    scene(4, 40);
    size_t first = 0;
    constexpr std::pair<size_t, int> kScenes[] = {{5000, 10}, {5, 20}, {1, 30}, {4, 40}};
    for (const auto& told : kScenes) {
      const size_t frames = told.first;
      CAPTURE(first);
      const auto frame = keyframes.take(first, frames);
      CHECK(frame.number >= first);
      CHECK(frame.number < first + frames);
      CHECK(frame.index == frame.number + 7);
      if (frames < 10) CHECK(frame.number == first + frames / 2);
      REQUIRE(frame.thumbnail);
      CHECK(frame.thumbnail->rgb[0] == told.second);
      first += frames;
    }
  }
  // Of scenes that were thinned away, none is shown rather than another.
  Keyframes few(1000, 8);
  for (size_t i = 0; i < 1000; ++i) {
    few.add({i, i, std::make_shared<const vision::Image>(picture(1, static_cast<uint8_t>(i)))});
  }
  size_t shown = 0;
  for (size_t i = 0; i < 1000; ++i) {
    const auto frame = few.take(i, 1);
    if (!frame.thumbnail) continue;
    ++shown;
    CHECK(frame.thumbnail->rgb[0] == static_cast<uint8_t>(i));
  }
  CHECK(shown > 2);
  CHECK(shown <= 8);
}
