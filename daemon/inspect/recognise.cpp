// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/recognise.h"

namespace tuneshift {

namespace {

uint64_t little_endian(std::string_view bytes, size_t offset, size_t width) {
  uint64_t number = 0;
  for (size_t i = width; i-- > 0;) {
    number = number << 8 | static_cast<unsigned char>(bytes[offset + i]);
  }
  return number;
}

// u64 length of a JSON object, then the object. The format's own library refuses headers over
// 100 MB.
Recognised as_safetensors(std::string_view bytes, uint64_t file_size) {
  constexpr uint64_t max_header = 100000000;
  if (bytes.size() < 10 || bytes[8] != '{') return {};
  const uint64_t length = little_endian(bytes, 0, 8);
  if (length < 2 || length > max_header || length > file_size - 8) return {};
  constexpr std::string_view begins_object = "\"} \t\r\n";
  if (begins_object.find(bytes[9]) == std::string_view::npos) return {};
  return {"safetensors", "safetensors, header of " + std::to_string(length) + " bytes"};
}

// Magic, u32 version, then the counts of tensors and of keys: u32 in version 1, u64 since.
Recognised as_gguf(std::string_view bytes, uint64_t file_size) {
  if (bytes.size() < 24 || bytes.substr(0, 4) != "GGUF") return {};
  const uint64_t version = little_endian(bytes, 4, 4);
  if (version < 1 || version > 3) return {};
  const size_t width = version == 1 ? 4 : 8;
  const uint64_t tensors = little_endian(bytes, 8, width);
  const uint64_t keys = little_endian(bytes, 8 + width, width);
  constexpr uint64_t smallest_entry = 12;  // a name's length and a type at the least
  const uint64_t most = file_size / smallest_entry;
  if (tensors > most || keys > most) return {};
  return {"gguf",
          "GGUF version " + std::to_string(version) + ", " + std::to_string(tensors) + " tensors"};
}

// The first local header of a zip archive as torch.save writes it: "archive/data.pkl", stored.
Recognised as_torch_zip(std::string_view bytes) {
  constexpr size_t fixed_part = 30;
  if (bytes.size() < fixed_part || bytes.substr(0, 4) != "PK\3\4") return {};
  const uint64_t method = little_endian(bytes, 8, 2);
  const uint64_t name_length = little_endian(bytes, 26, 2);
  if (method != 0 || name_length > bytes.size() - fixed_part) return {};
  const std::string_view name = bytes.substr(fixed_part, name_length);
  constexpr std::string_view pickle = "data.pkl";
  if (name.size() < pickle.size() || name.substr(name.size() - pickle.size()) != pickle) return {};
  if (name.size() > pickle.size() && name[name.size() - pickle.size() - 1] != '/') return {};
  return {"torch", "torch archive"};
}

}  // namespace

Recognised recognise(std::string_view beginning, uint64_t file_size) {
  if (beginning.size() < 10 || file_size < beginning.size()) return {"", "too short"};
  for (Recognised known : {as_gguf(beginning, file_size), as_torch_zip(beginning),
                           as_safetensors(beginning, file_size)}) {
    if (!known.format.empty()) return known;
  }
  return {"", "no known model format"};
}

}  // namespace tuneshift
