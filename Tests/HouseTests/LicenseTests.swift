// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Every source says under which license it stands; docs/decisions/licenses.md says why there are two.
@Suite struct LicenseTests {
    private static func license(of path: String) -> String {
        if path.hasPrefix("BPF/") || path.hasPrefix("Benchmarks/BPF/") { return "GPL-2.0-only" }
        return path.hasPrefix("Sources/CDatapathABI/") ? "GPL-2.0-only OR Apache-2.0" : "Apache-2.0"
    }

    @Test(arguments: ["BPF", "Benchmarks", "Plugins", "Sources", "Tests"])
    func everySourceNamesItsLicense(folder: String) throws {
        for suffix in [".c", ".h", ".swift"] {
            for path in try Checkout.files(under: folder, suffix: suffix) {
                let line = try #require(Checkout.text(path).split(separator: "\n").first, "\(path)")
                let words = line.drop { "/* ".contains($0) }.replacing(" */", with: "")
                #expect(words == "SPDX-License-Identifier: \(Self.license(of: path))", "\(path)")
            }
        }
    }

    /// The kernel gives the helpers that the programs need only to those that say GPL.
    @Test func theProgramsSayWhatTheirSourcesSay() throws {
        for path in try Checkout.files(under: "BPF", suffix: ".bpf.c") {
            #expect(try Checkout.text(path).contains("SEC(\"license\") = \"GPL\""), "\(path)")
        }
    }
}
