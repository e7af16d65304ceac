// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Testing

@Suite struct VersionTests {
    @Test func theChangelogsNewestVersionIsThisOne() throws {
        let headings = try Checkout.text("CHANGELOG.md").split(separator: "\n").filter { $0.hasPrefix("## ") }
        let newest = try #require(headings.first { $0 != "## Unreleased" })
        #expect(newest.hasPrefix("## \(Version.current)"))
    }
}
