// SPDX-License-Identifier: Apache-2.0

/// Sources of workloads as an operator names them.
package enum SourceText {
    /// The file that is read where nothing else is said.
    package static let standardFile = "/etc/bulkhead/workloads.jsonl"
    package static let forms = "file:PATH"

    /// nil: there is no such source.
    package static func source(_ text: String) -> (any WorkloadSource)? {
        guard text.hasPrefix("file:"), text.utf8.count > 5 else { return nil }
        return WorkloadFileSource(String(text.dropFirst(5)))
    }

    /// What an agent follows that is told nothing.
    package static var standard: [any WorkloadSource] { [WorkloadFileSource(standardFile)] }
}
