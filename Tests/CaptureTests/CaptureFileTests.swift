// SPDX-License-Identifier: Apache-2.0
import Capture
import Foundation
import Testing

/// A folder that goes with the test.
private func inTemporaryFolder(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-capture-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder)
}

@Suite struct CaptureFileTests {
    @Test func whatIsWrittenIsRead() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "drops.pcapng").path
            let written = [
                CapturedFrame(bytes: Array(0...127), originalLength: 1514, time: 1_700_000_000_123_456_789),
                CapturedFrame(bytes: [], time: 0),
                CapturedFrame(bytes: Array(repeating: 7, count: 100_000), time: 4_294_967_295_999_999_999),
            ]
            var writer = try CaptureWriter(path: path)
            for frame in written { try writer.write(frame) }
            // Readable before the writer has closed it.
            var reader = try CaptureReader(path: path)
            for frame in written { #expect(try reader.next() == frame) }
            #expect(try reader.next() == nil)
            try writer.write(CapturedFrame(bytes: [1]))
            #expect(try reader.next()?.bytes == [1])
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test func anEmptyCaptureIsWhole() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "empty.pcapng").path
            do { _ = try CaptureWriter(path: path) }
            var reader = try CaptureReader(path: path)
            #expect(try reader.next() == nil)
            #expect(try Data(contentsOf: URL(filePath: path)).count == 28)
        }
    }

    @Test func aMissingFileAndAFolderAreNamed() throws {
        try inTemporaryFolder { folder in
            let missing = folder.appending(path: "none").path
            #expect(throws: CaptureError(offset: 0, cause: .system(operation: missing, errno: .noSuchFileOrDirectory)))
            {
                _ = try CaptureReader(path: missing)
            }
            #expect(throws: CaptureError(offset: 0, cause: .system(operation: "read", errno: .isDirectory))) {
                _ = try CaptureReader(path: folder.path)
            }
            #expect(throws: CaptureError(offset: 0, cause: .system(operation: folder.path, errno: .isDirectory))) {
                _ = try CaptureWriter(path: folder.path)
            }
            let error = CaptureError(offset: 0, cause: .system(operation: missing, errno: .noSuchFileOrDirectory))
            #expect("\(error)" == "\(missing): No such file or directory")
        }
    }

    @Test func aFullDiskIsAnError() throws {
        #expect(throws: CaptureError(offset: 0, cause: .system(operation: "write", errno: .noSpace))) {
            _ = try CaptureWriter(path: "/dev/full")
        }
    }
}
