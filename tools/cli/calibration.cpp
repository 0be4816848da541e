#include "cli/calibration.h"

#include <sterna/quant/error.h>

#include <map>
#include <utility>

#include "cli/error.h"
#include "cli/inputs.h"
#include "cli/question.h"
#include "cli/session.h"
#include "cli/text.h"

namespace sterna::cli {

namespace {

/// The lines of a file of texts; blank ones say nothing.
void read_texts(const std::string& file, std::vector<std::string>& texts) {
  size_t number = 0;
  const size_t before = texts.size();
  for (std::string& text : read_lines(file)) {
    ++number;
    if (!is_utf8(text)) {
      throw Error(file + ": line " + std::to_string(number) + ": expected UTF-8 text");
    }
    if (text.find_first_not_of(" \t") != std::string::npos) texts.push_back(std::move(text));
  }
  if (texts.size() == before)
    throw Error(file + ": expected texts to calibrate on, found blank lines alone");
}

/// A file of questions; `known` has each picture's place in `pictures`.
void read_questions(const std::string& file, std::map<std::string, size_t>& known,
                    std::vector<models::AskedPicture>& pictures) {
  const std::vector<QuestionGroup> groups = read_batch(file);
  if (groups.empty())
    throw Error(file + ": expected pictures and questions to calibrate on, found none");
  for (const QuestionGroup& group : groups) {
    const std::string& path = group.path;
    for (const Question& question : group.questions) {
      if (!question.error.empty()) throw Error(question.error);
      const auto [at, fresh] = known.emplace(path, pictures.size());
      if (fresh) {
        pictures.push_back({[path] {
                              Worker worker(1);
                              read_picture(path, worker);
                              return decode_picture(path, worker);
                            },
                            {}});
      }
      pictures[at->second].questions.push_back(question.text);
    }
  }
}

}  // namespace

models::Calibration CalibrationFiles::view(int threads) const {
  return {.texts = texts, .pictures = pictures, .inputs = inputs, .threads = threads};
}

CalibrationFiles read_calibration(std::span<const std::string> files) {
  CalibrationFiles read;
  std::map<std::string, size_t> known;
  for (const std::string& file : files) {
    if (file.ends_with(".jsonl")) {
      read_questions(file, known, read.pictures);
    } else if (!file.ends_with(".safetensors")) {
      read_texts(file, read.texts);
    } else if (read.inputs.empty()) {
      read.inputs = file;
    } else {
      throw UsageError("--calibrate: expected one file of inputs, found " + file + " too");
    }
  }
  return read;
}

}  // namespace sterna::cli
