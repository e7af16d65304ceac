// SPDX-License-Identifier: Apache-2.0
import Foundation
import Libbpf
import TestSupport
import Testing

@testable import Datapath

/// Compilers differ in what they leave to the verifier to see. The programs load as Debian's compiler makes them, too,
/// which is the oldest that builds them; the build itself may have taken another.
@Suite struct OldCompilerTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Where the kernel's headers for this machine are.
    private static func headers() throws -> String {
        let folders = try FileManager.default.contentsOfDirectory(atPath: "/usr/include").map { "/usr/include/\($0)" }
        return try #require(folders.first { FileManager.default.fileExists(atPath: "\($0)/asm/types.h") })
    }

    @Test(arguments: ["tc", "xdp"]) func loads(_ name: String) throws {
        let lab = try Lab()
        let result = try lab.file("\(name).o", "")
        func path(_ part: String) -> String { Self.root.appending(path: part).path() }
        try Shell.check(
            "/usr/bin/clang", "-target", "bpf", "-O2", "-g", "-mcpu=v3", "-std=gnu11", "-I",
            path("Sources/CDatapathABI/include"), "-I", path("BPF"), "-isystem", try Self.headers(), "-c",
            path("BPF/\(name).bpf.c"), "-o", result)
        let object = try Object(Array(try Data(contentsOf: URL(filePath: result))), name: name)
        try object.setReadOnlyData(LoadTests.settings)
        do {
            _ = try object.load()
        } catch {
            Issue.record(try LoadTests.keep(error))
        }
    }
}
