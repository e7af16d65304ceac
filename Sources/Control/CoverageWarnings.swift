// SPDX-License-Identifier: Apache-2.0

/// Which of the controller's warnings are new, for who looks again and again.
package struct CoverageWarnings: Sendable {
    private var told: Set<String> = []

    package init() {}

    /// What the last look had not, in its order; the next look is compared with this one.
    package mutating func new(among warnings: [String]) -> [String] {
        defer { told = Set(warnings) }
        return warnings.filter { !told.contains($0) }
    }
}
