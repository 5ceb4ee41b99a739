// Good evidence, altered after it was made: every field of the file, every byte of every structure.
#include <nlohmann/json.hpp>

#include "integration/attestation/fixture.h"

namespace mayfly::test {
namespace {

using nlohmann::json;

/// All places of a JSON document that hold a value.
std::vector<json::json_pointer> leaves(const json& document) {
  std::vector<json::json_pointer> places;
  const json flat = document.flatten();
  for (const auto& [place, value] : flat.items()) {
    places.emplace_back(place);
  }
  return places;
}

class AlteredEvidence : public AttestationTest {
 protected:
  AlteredEvidence() {
    Recipe recipe;
    recipe.kill_switch = true;
    evidence_ = tpm().make(recipe);
    document_ = json::parse(attestation::to_json(evidence_));
  }

  /// Whether a file is refused, by whatever check.
  [[nodiscard]] std::string refusal_of(const json& document) const {
    try {
      return refusal(attestation::evidence_from_json(document.dump()), expectations(),
                     trust_in(evidence_));
    } catch (const attestation::Refused& refused) {
      return refused.check();
    }
  }

  attestation::Evidence evidence_;
  json document_;
};

TEST_F(AlteredEvidence, IsGoodBeforeItIsAltered) { EXPECT_EQ(refusal_of(document_), ""); }

TEST_F(AlteredEvidence, OfEveryFieldThatIsMissingIsRefused) {
  const auto places = leaves(document_);
  ASSERT_EQ(places.size(), 20U);
  for (const auto& place : places) {
    json altered = document_;
    altered[place.parent_pointer()].erase(place.back());
    EXPECT_NE(refusal_of(altered), "") << place;
  }
  for (const char* whole : {"task", "key", "policy", "certification", "time", "attestation_key"}) {
    json altered = document_;
    altered.erase(whole);
    EXPECT_NE(refusal_of(altered), "") << whole;
  }
}

TEST_F(AlteredEvidence, OfEveryNumberThatIsOneOffIsRefused) {
  int numbers = 0;
  for (const auto& place : leaves(document_)) {
    if (!document_[place].is_number()) continue;
    ++numbers;
    for (const int step : {1, -1}) {
      json altered = document_;
      altered[place] = document_[place].get<std::int64_t>() + step;
      EXPECT_NE(refusal_of(altered), "") << place << step;
    }
  }
  EXPECT_EQ(numbers, 6);
}

TEST_F(AlteredEvidence, OfEveryCharacterOfEveryTextIsRefused) {
  std::size_t tried = 0;
  for (const auto& place : leaves(document_)) {
    if (!document_[place].is_string()) continue;
    const auto text = document_[place].get<std::string>();
    for (std::size_t i = 0; i < text.size(); ++i) {
      json altered = document_;
      std::string changed = text;
      changed[i] = changed[i] == '0' ? '1' : '0';
      altered[place] = changed;
      EXPECT_NE(refusal_of(altered), "") << place << " at " << i;
      ++tried;
    }
  }
  EXPECT_GT(tried, 1500U);
}

TEST_F(AlteredEvidence, OfEveryTextCutShortOrLengthenedIsRefused) {
  for (const auto& place : leaves(document_)) {
    if (!document_[place].is_string()) continue;
    const auto text = document_[place].get<std::string>();
    for (const std::string& changed :
         {text + "00", text.substr(0, text.size() - 2), std::string()}) {
      json altered = document_;
      altered[place] = changed;
      EXPECT_NE(refusal_of(altered), "") << place << " as " << changed;
    }
  }
}

TEST_F(AlteredEvidence, WithStructuresThatChangedPlacesIsRefused) {
  const auto places = leaves(document_);
  for (const auto& first : places) {
    for (const auto& second : places) {
      if (document_[first] == document_[second]) continue;
      json altered = document_;
      std::swap(altered[first], altered[second]);
      EXPECT_NE(refusal_of(altered), "") << first << " and " << second;
    }
  }
}

TEST_F(AlteredEvidence, OfAnotherKeyOfTheSameTpmIsRefused) {
  const attestation::Evidence other = tpm().make({});
  attestation::Evidence mixed = evidence_;
  mixed.key_public = other.key_public;
  EXPECT_NE(refusal(mixed, expectations(), trust_in(evidence_)), "");
  mixed = evidence_;
  mixed.time = other.time;  // a true statement of time, over another key
  EXPECT_EQ(refusal(mixed, expectations(), trust_in(evidence_)), "qualifying data");
}

TEST_F(AlteredEvidence, WithWhatAReaderCouldOverlookIsRefused) {
  json altered = document_;
  altered["note"] = "";
  EXPECT_EQ(refusal_of(altered), "format");
  for (const char* object : {"task", "key", "policy", "certification", "attestation_key"}) {
    altered = document_;
    altered[object]["note"] = 1;
    EXPECT_EQ(refusal_of(altered), "format") << object;
  }
  std::string text = document_.dump();
  text.insert(1, "\"nonce\":\"00\",");
  EXPECT_THROW(static_cast<void>(attestation::evidence_from_json(text)), attestation::Refused);
  text = document_.dump() + "{}";
  EXPECT_THROW(static_cast<void>(attestation::evidence_from_json(text)), attestation::Refused);
  EXPECT_THROW(static_cast<void>(attestation::evidence_from_json(std::string(10'000, '['))),
               attestation::Refused);
  EXPECT_THROW(static_cast<void>(attestation::evidence_from_json(
                   std::string(attestation::kMaxEvidenceSize + 1, ' '))),
               attestation::Refused);
}

}  // namespace
}  // namespace mayfly::test
