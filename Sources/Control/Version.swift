// SPDX-License-Identifier: Apache-2.0

/// The version of Bulkhead: here and, as the newest heading, in CHANGELOG.md.
package enum Version {
    package static let current = "0.1.0"
}
