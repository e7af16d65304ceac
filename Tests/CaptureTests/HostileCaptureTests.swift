// SPDX-License-Identifier: Apache-2.0
import Capture
import Testing

/// A file that must be refused: what is wrong with it, its bytes, where and why it is refused.
struct HostileFile: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let offset: UInt64
    let cause: CaptureError.Cause

    init(_ description: String, at offset: UInt64, _ cause: CaptureError.Cause, _ build: (inout FileBuilder) -> Void) {
        testDescription = description
        bytes = FileBuilder.make(build)
        self.offset = offset
        self.cause = cause
    }

    static let section: UInt32 = 0x0a0d_0d0a

    static let all: [HostileFile] = [
        HostileFile("empty", at: 0, .truncated(what: "the file's first four bytes")) { _ in },
        HostileFile("three bytes", at: 0, .truncated(what: "the file's first four bytes")) { $0.bytes = [1, 2, 3] },
        HostileFile("text", at: 0, .unknownFormat(magic: 0x7372_6576)) { $0.bytes = Array("version: 1".utf8) },
        HostileFile("gzip", at: 0, .unknownFormat(magic: 0x0008_8b1f)) { $0.bytes = [0x1f, 0x8b, 8, 0, 0] },
        HostileFile("pcap header cut", at: 4, .truncated(what: "the file header")) { $0.put(UInt32(0xa1b2_c3d4)) },
        HostileFile("pcap 3.4", at: 0, .unsupportedVersion(major: 3, minor: 4)) { $0.pcapHeader(major: 3) },
        HostileFile("record header cut", at: 24, .truncated(what: "a record header")) {
            $0.pcapHeader()
            $0.put(UInt32(1))
        },
        HostileFile("frame cut", at: 40, .truncated(what: "a frame")) {
            $0.pcapHeader()
            $0.pcapRecord([1, 2, 3], captured: 4)
        },
        HostileFile("a promise of a megabyte", at: 40, .truncated(what: "a frame")) {
            $0.pcapHeader()
            $0.pcapRecord([1, 2, 3], captured: 1 << 20)
        },
        HostileFile("a byte more than a frame may have", at: 24, .oversized(bytes: 1 << 20 + 1)) {
            $0.pcapHeader()
            $0.pcapRecord([1, 2, 3], captured: 1 << 20 + 1)
        },
        HostileFile("four gigabytes", at: 24, .oversized(bytes: UInt64(UInt32.max))) {
            $0.pcapHeader()
            $0.pcapRecord([1, 2, 3], captured: .max)
        },
        HostileFile("section cut", at: 4, .truncated(what: "a section header")) { $0.put(section) },
        HostileFile("no byte-order mark", at: 0, .badBlock(type: section, why: "no byte-order mark")) {
            $0.section(mark: 0x1111_1111)
        },
        HostileFile("pcapng 2", at: 0, .unsupportedVersion(major: 2, minor: 0)) { $0.section(major: 2) },
        HostileFile("block of eleven bytes", at: 28, .badBlock(type: 5, why: "a length of 11")) {
            $0.section()
            $0.block(5, length: 11) { $0.put(UInt32(0)) }
        },
        HostileFile("block of thirteen bytes", at: 28, .badBlock(type: 5, why: "a length of 13")) {
            $0.section()
            $0.block(5, length: 13) { $0.put(UInt32(0)) }
        },
        HostileFile("block of four gigabytes", at: 36, .truncated(what: "a block")) {
            $0.section()
            $0.block(5, length: 0xffff_fffc) { $0.put(UInt32(0)) }
        },
        HostileFile("lengths that differ", at: 28, .badBlock(type: 5, why: "its two lengths differ: 16 and 20")) {
            $0.section()
            $0.block(5, trailer: 20) { $0.put(UInt32(0)) }
        },
        HostileFile("packet before interface", at: 28, .unknownInterface(0)) {
            $0.section()
            $0.packet([1])
        },
        HostileFile("packet of another interface", at: 48, .unknownInterface(1)) {
            $0.section()
            $0.interface()
            $0.packet([1], interface: 1)
        },
        HostileFile("simple packet before interface", at: 28, .unknownInterface(0)) {
            $0.section()
            $0.block(3) { $0.put(UInt32(0)) }
        },
        HostileFile("packet block too short", at: 48, .badBlock(type: 6, why: "too short for what it holds")) {
            $0.section()
            $0.interface()
            $0.block(6) { $0.put(UInt64(0)) }
        },
        HostileFile("frame beyond its block", at: 48, .badBlock(type: 6, why: "too short for what it holds")) {
            $0.section()
            $0.interface()
            $0.packet([1, 2, 3, 4], captured: 4096)
        },
        HostileFile("frame beyond all limits", at: 48, .badBlock(type: 6, why: "too short for what it holds")) {
            $0.section()
            $0.interface()
            $0.packet([1, 2, 3, 4], captured: .max)
        },
        HostileFile("large frame in a large block", at: 48, .oversized(bytes: 2 << 20)) {
            $0.section()
            $0.interface()
            $0.block(6, length: 4 << 20) {
                $0.put(UInt32(0))
                $0.put(UInt64(0))
                $0.put(UInt32(2 << 20))
                $0.put(UInt32(2 << 20))
            }
        },
        HostileFile("option beyond its block", at: 28, .badBlock(type: 1, why: "too short for what it holds")) {
            $0.section()
            $0.block(1) {
                $0.put(UInt32(1))
                $0.put(UInt32(0))
                $0.put(UInt16(9))
                $0.put(UInt16.max)
            }
        },
        HostileFile(
            "too many interfaces", at: 28 + 65_536 * 20, .badBlock(type: 1, why: "too many interfaces in one section")
        ) {
            $0.section()
            for _ in 0...65_536 { $0.interface() }
        },
    ]
}

@Suite struct HostileCaptureTests {
    @Test(arguments: HostileFile.all)
    func isRefused(file: HostileFile) {
        #expect(throws: CaptureError(offset: file.offset, cause: file.cause)) { try frames(file.bytes) }
    }

    @Test func framesBeforeTheFaultAreReadAndTheFaultIsKept() throws {
        var reader = try CaptureReader(
            bytes: FileBuilder.make {
                $0.pcapHeader()
                $0.pcapRecord([1])
                $0.pcapRecord([1], captured: .max)
                $0.pcapRecord([1])
            })
        #expect(try reader.next()?.bytes == [1])
        for _ in 0..<2 {
            do {
                _ = try reader.next()
                Issue.record("the fault was passed over")
            } catch {
                #expect(error.cause == .oversized(bytes: UInt64(UInt32.max)))
            }
        }
    }

    /// Cut at each byte and with each byte changed, a file is read or refused; the reader neither traps nor hangs.
    @Test func everyCutAndEveryChangedByteIsSurvived() {
        let pcap = FileBuilder.make {
            $0.pcapHeader()
            $0.pcapRecord([1, 2, 3, 4, 5])
            $0.pcapRecord([6, 7])
        }
        let pcapng = FileBuilder.make {
            $0.section()
            $0.interface(snapLength: 4, options: [(9, [6]), (14, [0, 0, 0, 0, 0, 0, 0, 0])])
            $0.packet([1, 2, 3, 4, 5], ticks: .max)
            $0.block(3) {
                $0.put(UInt32(100))
                $0.putPadded([1, 2, 3, 4])
            }
            $0.section()
        }
        for file in [pcap, pcapng] {
            var refused = 0
            for cut in 0..<file.count where (try? frames(Array(file[..<cut]))) == nil { refused += 1 }
            #expect(refused > file.count / 2)
            for place in file.indices {
                for value in [0, 1, 0x7f, 0x80, 0xff, file[place] ^ 0x10] as [UInt8] {
                    var changed = file
                    changed[place] = value
                    if let read = try? frames(changed) { #expect(read.count <= 2) }
                }
            }
        }
    }
}
