// SPDX-License-Identifier: Apache-2.0
// Looks for macros and external templates in office documents: compound files ([MS-CFB]), packages (ISO/IEC 29500-2, a
// zip with vbaProject.bin and relationships), and those inside other documents and archives.
#pragma once

#include "contentfilter/worker/document_report.hpp"

#include <string_view>

namespace postsluice::contentfilter::worker {

[[nodiscard]] document_report inspect_document(std::string_view octets, const unpack_bounds& bounds);

/// The target of a relationship that loads a template from the web (attachedTemplate with an http or https target);
/// empty: none. Templates on a file server are what offices have.
[[nodiscard]] std::string external_template(std::string_view relationships);

} // namespace postsluice::contentfilter::worker
