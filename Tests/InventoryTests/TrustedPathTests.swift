// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Inventory

/// Who could stand in for an engine.
@Suite struct TrustedPathTests {
    private static func folder() throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "bulkhead-\(UUID())").path
        try FileManager.default.createDirectory(
            atPath: path + "/in", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        try Data().write(to: URL(filePath: path + "/in/file"))
        return path
    }

    @Test func aFileOfRootsIsTrusted() throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try TrustedPath.check(folder + "/in/file")
        // In a folder like /tmp nobody can replace it.
        try FileManager.default.setAttributes([.posixPermissions: 0o1777], ofItemAtPath: folder)
        try TrustedPath.check(folder + "/in/file")
        // What may be written to by a group, as Docker's socket, is still root's.
        try FileManager.default.setAttributes([.posixPermissions: 0o660], ofItemAtPath: folder + "/in/file")
        try TrustedPath.check(folder + "/in/file")
    }

    @Test(arguments: ["shared", "other", "link", "relative", "missing", "linked", "folder"])
    func whatAnotherCouldReplaceIsRefused(way: String) throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var path = folder + "/in/file"
        switch way {
        case "shared": try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder + "/in")
        case "other": #expect(unsafe chown(path, 65534, 65534) == 0)
        case "link":
            path = folder + "/link"
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder + "/in/file")
            #expect(unsafe lchown(path, 65534, 65534) == 0)
        case "linked":
            // The link is root's, and what it leads to is not.
            path = folder + "/link"
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder + "/in/file")
            #expect(unsafe chown(folder + "/in", 65534, 65534) == 0)
        case "folder":
            // Others could put files into it.
            path = folder + "/in"
            try FileManager.default.setAttributes([.posixPermissions: 0o775], ofItemAtPath: path)
        case "relative": path = "in/file"
        default: path = folder + "/in/none"
        }
        #expect(throws: EngineError.self) { try TrustedPath.check(path) }
    }
}
