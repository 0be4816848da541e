// A user of the installed package: opens a model, looks at a picture, asks, prints the answer.
#include <sterna/models/model.h>
#include <sterna/vision/decode.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 4) return 2;
  const sterna::Model model = sterna::Model::open(argv[1]);
  sterna::Session session(1);
  const sterna::Scene scene = model.see(sterna::vision::decode_file(argv[2]).view(), session);
  std::vector<float> vector(model.dim());
  model.embed(scene, vector, session);
  float norm = 0;
  for (const float x : vector) norm += x * x;
  if (norm < 0.999F || norm > 1.001F || session.decodes != 0) return 1;
  const std::vector<std::string> choices = {"a cat", "a dog", "a cup"};
  const auto table = model.encode(choices, session);
  const sterna::Answer answer = model.answer(scene, argv[3], table, 3, session);
  std::printf("%s %.3f\n", answer.text.c_str(), static_cast<double>(answer.confidence));
  return answer.candidates.size() == 3 ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 3;
}
