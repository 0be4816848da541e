#include <doctest/doctest.h>
#include <tests/support/folder.h>

#include "cli/cost.h"

using namespace sterna::cli;

TEST_CASE("cost: energy counters are added up, parts of packages left out, wrapping included") {
  const sterna::test::Folder folder;
  const auto zone = [&](const std::string& name, const std::string& energy) {
    folder.write("rapl/" + name + "/max_energy_range_uj", "999999\n");
    folder.write("rapl/" + name + "/energy_uj", energy + "\n");
  };
  zone("intel-rapl:0", "100");
  zone("intel-rapl:1", "900000");
  zone("intel-rapl:0:0", "5");
  zone("dtpm", "5");
  folder.write("rapl/intel-rapl:2/energy_uj", "no number");
  CostMeter meter(folder.path() / "rapl");
  zone("intel-rapl:0", "200100");
  zone("intel-rapl:1", "100000");  // by way of 999999 and 0
  zone("intel-rapl:0:0", "900000");
  const Cost cost = meter.read();
  REQUIRE(cost.joules);
  CHECK(*cost.joules == doctest::Approx(0.4));
  CHECK(*meter.read().joules == doctest::Approx(0.4));
  zone("intel-rapl:0", "300100");
  CHECK(*meter.read().joules == doctest::Approx(0.5));
  const Cost later = meter.read() - cost;  // what was spent in between
  CHECK(*later.joules == doctest::Approx(0.1));
  CHECK(later.cpu_seconds >= 0);
  CHECK_FALSE((Cost{1, 2, 3} - Cost{}).joules);  // one of both did not tell
  CHECK(*(Cost{1, 2, 30} - Cost{0, 0, 10}).instructions == 20);
}

TEST_CASE("cost: what the machine does not tell is left out; the processor's time is there") {
  const sterna::test::Folder folder;
  CostMeter meter(folder.path() / "none");
  volatile double sum = 0;
  double seconds = 0;
  while ((seconds = meter.read().cpu_seconds) < 0.02) {
    for (int i = 0; i < 100000; ++i) sum = sum + 1;
  }
  const Cost cost = meter.read();
  CHECK_FALSE(cost.joules);
  if (cost.instructions) CHECK(*cost.instructions > 1000000);
  CHECK(cost_text({1.234, 5.04, 2500000000}) == "1.23 s of processor, 5.0 J, 2.5 G instructions");
  CHECK(cost_text({1.234, std::nullopt, std::nullopt}) == "1.23 s of processor");
}
