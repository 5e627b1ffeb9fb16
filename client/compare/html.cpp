// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cstdio>

#include "client/compare/comparison.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

// In pixels of the drawing, which scales with the page.
constexpr double kWidth = 900;
constexpr double kLeft = 160;  // room for the names
constexpr double kRight = 90;  // and for the medians
constexpr double kRow = 44;
constexpr double kTop = 24;

/// `text` is printable().
std::string escaped(const std::string& text) {
  std::string out;
  for (const char character : text) {
    switch (character) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += character;
    }
  }
  return out;
}

std::string pixels(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", value);
  return text;
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text) {
  return "<text x=\"" + pixels(x) + "\" y=\"" + pixels(y) + "\" text-anchor=\"" + anchor + "\">" +
         escaped(text) + "</text>\n";
}

std::string line_at(double x, double top, double bottom, const std::string& style) {
  return "<line class=\"" + style + "\" x1=\"" + pixels(x) + "\" x2=\"" + pixels(x) + "\" y1=\"" +
         pixels(top) + "\" y2=\"" + pixels(bottom) + "\"/>\n";
}

double longest_ms(const Comparison& comparison) {
  double longest = ceiling_ms(comparison);
  for (const Variant& variant : comparison.variants) {
    for (const double ms : variant.ms) longest = std::max(longest, ms);
  }
  return longest > 0 ? longest : 1;
}

/// Milliseconds from left to right, one line a variant: a point a round, a bar at the median.
std::string plot(const Comparison& comparison) {
  const double longest = longest_ms(comparison);
  const auto x = [longest](double ms) { return kLeft + ms / longest * (kWidth - kLeft - kRight); };
  std::string body;
  double y = kTop;
  for (const Variant& variant : comparison.variants) {
    if (variant.ms.empty()) continue;
    const double middle = y + kRow / 2;
    const double half = median(variant.ms);
    body += text_at(kLeft - 12, middle + 5, "end", variant.name);
    for (const double ms : variant.ms) {
      body += "<circle cx=\"" + pixels(x(ms)) + "\" cy=\"" + pixels(middle) + "\" r=\"5\"/>\n";
    }
    body += line_at(x(half), middle - 14, middle + 14, "median");
    const double most = *std::max_element(variant.ms.begin(), variant.ms.end());
    body += text_at(x(most) + 12, middle + 5, "start", milliseconds(half) + " ms");
    y += kRow;
  }
  if (const double ceiling = ceiling_ms(comparison); ceiling > 0) {
    body += line_at(x(ceiling), kTop, y, "ceiling");
    body += text_at(x(ceiling), kTop - 8, "middle", "ceiling");
  }
  body += text_at(kLeft, y + 18, "middle", "0") +
          text_at(x(longest), y + 18, "middle", milliseconds(longest) + " ms");
  return "<svg viewBox=\"0 0 " + pixels(kWidth) + ' ' + pixels(y + 28) +
         "\" role=\"img\" aria-label=\"Milliseconds of each load\">\n" + body + "</svg>\n";
}

}  // namespace

std::string render_html(const Comparison& comparison) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<title>tuneshift: cold loads of " +
         escaped(printable(comparison.path)) +
         "</title>\n<style>\n"
         "body { font: 16px sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }\n"
         "svg { width: 100%; font-size: 14px }\n"
         "circle { fill: #2b6cb0; fill-opacity: .5 }\n"
         ".median { stroke: #1a202c; stroke-width: 3 }\n"
         ".ceiling { stroke: #a0aec0; stroke-dasharray: 5 4 }\n"
         "</style>\n</head>\n<body>\n<h1>Cold loads of " +
         escaped(printable(comparison.path)) + "</h1>\n<p>" +
         escaped(human_size(comparison.size_bytes)) + ", read as <b>" + escaped(comparison.reader) +
         "</b>. A point is a load, a bar the median.</p>\n" + plot(comparison) + "<pre>\n" +
         escaped(render(comparison, {.colour = false, .unicode = true, .columns = 0})) +
         "</pre>\n</body>\n</html>\n";
}

}  // namespace tuneshift
